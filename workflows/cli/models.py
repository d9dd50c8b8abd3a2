"""`llm-auction models`: what the model store holds, which models serve, and how to put another one there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption

if TYPE_CHECKING:
    from llm_auction.profiles.schema import Profile
    from resources.model_store import ModelStore, ModelVersion

Kind = Literal["pctr", "ad_llm"]
KindArgument = Annotated[Kind, typer.Argument(help="pctr is the reward model, ad_llm the language model.")]
NameArgument = Annotated[
    str,
    typer.Argument(
        help="A name (`champion`, `nightly/2026-01-05`, `llm_auction/03`, `base`) or a version as `list` shows it.",
    ),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", "-m", help="Why: the history keeps it.", prompt="Why", show_default=False)
]
_SHOWN = 200  # characters of a reason or an error in a table

models = typer.Typer(
    name="models",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=(
        "Look at the stored models, and say which one serves.\n\n"
        "The *champion* of a kind is the model that serves. Nightly refits of the reward model (`pctr`) take its place "
        "by themselves when they have proved not to be worse; an Ad-LLM (`ad_llm`) is promoted here, after an "
        "off-policy estimate. Nothing is ever found by being the latest.\n\n"
        "Examples:\n\n"
        "    llm-auction models list                                  # all models, champions marked\n\n"
        "    llm-auction models show pctr champion                    # its lineage, figures and history\n\n"
        "    llm-auction models promote pctr nightly/2026-01-05 -m 'back to before the outage'\n\n"
        "    llm-auction models rollback pctr -m 'clicks fell'        # the champion before this one\n\n"
    ),
)


@models.command("list")
def list_models(
    kind: Annotated[Kind | None, typer.Argument(help="Only pctr or ad_llm.", show_default=False)] = None,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the stored models: their names, what they come from, and which ones serve.

    Example: `llm-auction models list pctr`
    """
    from rich.markup import escape
    from rich.table import Table

    from resources.model_store import ModelStoreError
    from workflows.cli.progress import open_console

    store = _store(profile, seed, data_dir)
    table = Table("kind", "name", "version", "parent", "trained on", "AUC", "log loss", box=None, pad_edge=False)
    for one in (kind,) if kind else ("pctr", "ad_llm"):
        pointers = store.pointers(one)
        champion = pointers.pop("champion", None)
        for name, version in pointers.items():
            try:
                found = store.resolve(one, name)
            except ModelStoreError as error:
                table.add_row(one, f"{name} [bold red]damaged[/]", version, escape(str(error)[:_SHOWN]))
                continue
            metrics = found.metadata.get("metrics", {})
            table.add_row(
                one,
                f"{name} [bold green]champion[/]" if version == champion else name,
                version,
                str(found.metadata.get("parent") or ""),
                _trained_on(found),
                _number(metrics.get("refit/auc", metrics.get("after/auc"))),
                _number(metrics.get("refit/log_loss", metrics.get("after/log_loss"))),
            )
    console = open_console()
    if table.row_count:
        console.print(table)
    else:
        console.print(f"no models in {store.root} yet: run `llm-auction run`", markup=False)


@models.command()
def show(
    kind: KindArgument,
    name: NameArgument,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show one model: lineage, figures and files; of the champion also how it came to serve.

    Example: `llm-auction models show pctr champion`
    """
    from rich.markup import escape
    from rich.table import Table

    from resources.champion import Champion
    from workflows.cli.progress import open_console

    store = _store(profile, seed, data_dir)
    found = _find(store, kind, name)
    console = open_console()
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_row("version", found.version)
    lines.add_row("path", escape(str(found.path)))
    for field, value in found.metadata.items():
        if field not in ("metrics", "settings"):
            lines.add_row(field.replace("_", " "), escape(_text(value)))
    for metric, value in sorted(found.metadata.get("metrics", {}).items()):
        lines.add_row(metric, escape(_number(value) or str(value)))
    lines.add_row("files", escape(", ".join(found.manifest["files"])))
    console.print(lines)
    if name == "champion":
        table = Table("when (UTC)", "what", "version", "why", box=None, pad_edge=False, title="History")
        for move in Champion(store, kind).history():
            table.add_row(move.at, move.action, move.version, escape(move.reason[:_SHOWN]))
        console.print(table)


@models.command()
def promote(
    kind: KindArgument,
    name: NameArgument,
    reason: ReasonOption,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Promote an Ad-LLM that no off-policy estimate speaks for.")
    ] = False,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a stored model the champion, the one that serves.

    Example: `llm-auction models promote ad_llm llm_auction/03 -m 'first deployment' --unproven`

    An Ad-LLM needs an off-policy estimate (asset `off_policy_report`) that it earns no less than what is deployed, from
    a log of what is deployed that ended at most `off_policy.max_report_age_days` days ago, or `--unproven`.
    """
    from assets.off_policy_gate import refuse_unproven
    from resources.champion import Champion
    from resources.lake import Lake
    from workflows.cli.progress import open_console

    store = _store(profile, seed, data_dir)
    found = _find(store, kind, name)
    if kind == "ad_llm" and not unproven:
        refuse_unproven(
            Lake(data_dir=store.data_dir),
            store,
            found.version,
            max_age_days=_loaded(profile, seed).off_policy.max_report_age_days,
            today=datetime.now(UTC).date(),
        )
    champion = Champion(store, kind)
    current = champion.current()
    if current is not None and current.version == found.version:
        raise ValueError(f"{found.version} is the {kind} champion already")
    champion.promote(found, reason, instead_of=None if current is None else current.version)
    was = f" (was {current.version})" if current else ""
    open_console().print(f"the {kind} champion is now {found.version}{was}", highlight=False)


@models.command()
def rollback(
    kind: KindArgument,
    reason: ReasonOption,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take the champion off and put the one before it back.

    Example: `llm-auction models rollback pctr -m 'clicks fell'`

    The nightly path does not promote a version again that was rolled back; `promote` does.
    """
    from resources.champion import Champion
    from workflows.cli.progress import open_console

    earlier = Champion(_store(profile, seed, data_dir), kind).rollback(reason)
    open_console().print(f"the {kind} champion is {earlier.version} again", highlight=False)


def _store(profile: str | None, seed: int | None, data_dir: Path | None) -> ModelStore:
    from resources.model_store import ModelStore
    from workflows.environment import default_data_dir

    return ModelStore(data_dir=str(data_dir or default_data_dir(_loaded(profile, seed))))


def _loaded(profile: str | None, seed: int | None) -> Profile:
    from llm_auction.profiles import load_profile

    return load_profile(profile, None if seed is None else {"seed": str(seed)})


def _find(store: ModelStore, kind: str, name: str) -> ModelVersion:
    """The model of a pointer or of a version; ModelStoreError where it is neither."""
    return store.resolve(kind, name) if name in store.pointers(kind) else store.version(kind, name)


def _trained_on(model: ModelVersion) -> str:
    metadata = model.metadata
    if "window" in metadata:
        first, last = metadata["window"]
        return f"{first} to {last}"
    return " ".join(str(metadata[field]) for field in ("arm", "iteration") if field in metadata)


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else ""


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return " to ".join(map(str, value)) if isinstance(value, list) else str(value)
