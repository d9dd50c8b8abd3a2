"""`llm-auction logs`: click logs of simulated traffic, for demos, tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption, SetOption, overrides_from

if TYPE_CHECKING:
    from rich.console import Console

    from llm_auction.profiles.schema import Profile
    from llm_auction.traffic import Audience, FaultRates, Policy

logs = typer.Typer(no_args_is_help=True, help="Generate click logs of simulated traffic (see docs/click-log.md).")


@logs.command()
def generate(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where the log goes: a new folder. Without it: `traffic` in the data directory."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of traffic.")] = 7,
    first_day: Annotated[
        str | None,
        typer.Option(
            metavar="YYYY-MM-DD", help="First day (UTC). Without it the log ends yesterday.", show_default=False
        ),
    ] = None,
    answers_per_day: Annotated[int, typer.Option(min=1, help="Answers on each day, those of robots on top.")] = 1000,
    users: Annotated[
        int | None, typer.Option(min=1, help="People who ask; the profile's without it.", show_default=False)
    ] = None,
    policy: Annotated[
        str, typer.Option(help="Who answers: `scripted`, or an Ad-LLM of the model store (`base`, `llm_auction/03`).")
    ] = "scripted",
    log_format: Annotated[str, typer.Option("--format", help="jsonl, jsonl.gz, jsonl.zst or parquet.")] = "jsonl.gz",
    files_per_day: Annotated[int, typer.Option(min=1, max=1440, help="Files of each day.")] = 8,
    drift: Annotated[
        float,
        typer.Option(min=0.0, help="How far tastes move in a day, in logits: 0.3 makes an old model wrong in a week."),
    ] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE", help="Rate of one fault; repeat it. `logs faults` lists them.", show_default=False
        ),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="No faults but those of --fault and --incident.")] = False,
    incident: Annotated[
        list[str] | None,
        typer.Option(metavar="DAY:NAME=SHARE", help="Another rate on one day; repeat it.", show_default=False),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the generated log that is there.")] = False,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    assignments: SetOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write the click log of simulated traffic: answers, clicks, conversions, and everything that goes wrong with them.

    Examples:

        llm-auction logs generate                                       # a week, 1,000 answers a day
        llm-auction logs generate /tmp/log --days 30 --drift 0.3        # a month in which tastes move
        llm-auction logs generate /tmp/big --answers-per-day 1000000 --days 1 --format parquet
        llm-auction logs generate --fault malformed_json=0.02 --fault robot=0
        llm-auction logs generate --clean --first-day 2026-03-01 --incident 2026-03-05:wrong_type=0.3

    The people, ads and bids are those of the profile; `scripted` answers thousands of questions a second and knows the
    exact probability of each answer. Beside the log lie `faults.json`, which counts what a day really holds, and
    `faults.jsonl`, which lists every fault by file and line. The same options give the same files.
    """
    from llm_auction.profiles import load_profile
    from llm_auction.traffic import FaultRates, TrafficConfig, generate_log, make_audience, no_faults
    from llm_auction.traffic.generate import refuse_to_overwrite
    from workflows.cli.progress import open_console
    from workflows.environment import default_data_dir

    changes = overrides_from(assignments, seed=seed)
    loaded = load_profile(profile, changes)
    state = data_dir or default_data_dir(loaded)
    target = folder or state / "traffic"
    base_rates = no_faults() if clean else FaultRates()
    rates = base_rates.changed(dict(_rate(text) for text in fault or ()))
    config = TrafficConfig(
        first_day=_first_day(first_day, days),
        days=days,
        answers_per_day=answers_per_day,
        seed=loaded.seed,
        format=log_format,  # type: ignore[arg-type]
        files_per_day=files_per_day,
        drift=drift,
        bidding=loaded.bidding,
        rules=loaded.click_log,
        faults=rates,
        incidents=_incidents(incident or (), rates),
    )
    refuse_to_overwrite(target, replace)
    console = open_console()
    console.print(
        f"{days} days of {answers_per_day:,} answers into {target}", markup=False, highlight=False, soft_wrap=True
    )
    audience = make_audience(loaded, users)
    answering = _policy(policy, loaded, changes, audience, state)
    with console.status("") as status:
        content = generate_log(
            target,
            config,
            audience,
            answering,
            replace=replace,
            on_progress=lambda day, events: status.update(f"{day}: {events:,} events written"),
        )
    _print_days(console, content)
    console.print(
        f"\nthe log: {target}; what is wrong with it: {target / 'faults.json'}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        "read it: LLM_AUCTION__CLICK_LOG__SOURCE="
        f"'{target.resolve()}/{{date}}/*' LLM_AUCTION__CLICK_LOG__START_DATE={config.first_day}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@logs.command()
def faults() -> None:
    """List what can go wrong in a generated log, how often it does, and what ingestion must do with it.

    Examples:

        llm-auction logs faults
        llm-auction logs generate --fault duplicate=0.2      # one event in five is delivered twice
    """
    from rich.table import Table

    from llm_auction.traffic import FAULTS
    from workflows.cli.progress import open_console

    table = Table("fault", "rate", "of the", "ingestion must", "what happens", box=None, pad_edge=False)
    for name, kind in FAULTS.items():
        note = " (JSON Lines only)" if kind.text_only else ""
        table.add_row(name, f"{kind.rate:.2%}", kind.per, kind.handling.value, f"[dim]{kind.description}{note}[/]")
    open_console().print(table)


def _first_day(text: str | None, days: int) -> date:
    if text is None:
        return datetime.now(UTC).date() - timedelta(days=days)
    return _date(text)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day such as 2026-03-01") from None


def _rate(text: str) -> tuple[str, float]:
    name, separator, share = text.partition("=")
    try:
        if separator:
            return name.strip(), float(share)
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is not NAME=SHARE; example: malformed_json=0.02")


def _incidents(texts: Sequence[str], rates: FaultRates) -> dict[date, FaultRates]:
    """By day, the usual rates with those of its incidents in their place."""
    changes: dict[date, dict[str, float]] = {}
    for text in texts:
        day, separator, rate = text.partition(":")
        if not separator:
            raise typer.BadParameter(f"{text!r} is not DAY:NAME=SHARE; example: 2026-03-05:wrong_type=0.3")
        name, share = _rate(rate)
        changes.setdefault(_date(day.strip()), {})[name] = share
    return {day: rates.changed(changed) for day, changed in changes.items()}


def _policy(name: str, profile: Profile, changes: dict[str, str], audience: Audience, state: Path) -> Policy:
    """The scripted policy, or an Ad-LLM of the model store of this state folder."""
    from llm_auction.traffic import EnginePolicy, ScriptedPolicy

    if name == "scripted":
        return ScriptedPolicy(audience.relevance_of)
    from resources.engines import EngineResource
    from resources.model_store import ModelStore
    from resources.profile import ProfileResource

    model = ModelStore(data_dir=str(state)).resolve("ad_llm", name)
    settings = ProfileResource(profile=profile.name, overrides=changes)
    engine = EngineResource(profile=settings, data_dir=str(state)).open(model.path)
    return EnginePolicy(engine, model.version, profile.sampling, profile.ad_llm.prompt)


def _print_days(console: Console, content: Mapping[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("day of delivery")
    for heading in ("files", "events", "answers", "clicks", "conversions", "duplicates", "to reject"):
        table.add_column(heading, justify="right")
    for day, counts in content["days"].items():
        accepted = [counts["accepted"].get(kind, 0) for kind in ("answer", "click", "conversion")]
        figures = [len(counts["files"]), counts["events"], *accepted, counts["duplicates"]]
        table.add_row(day, *(f"{figure:,}" for figure in [*figures, sum(counts["rejected"].values())]))
    console.print(table)
