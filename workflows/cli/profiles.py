"""`llm-auction profiles`: what can be configured, what it is set to, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflows.cli.options import SetOption, overrides_from

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console


LONGEST_VALUE = 28  # columns; a longer list takes several lines


def profiles(
    name: Annotated[
        str | None, typer.Argument(help="Show this profile; without it, list them.", show_default=False)
    ] = None,
    assignments: SetOption = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only the fields that something overrides.")] = False,
) -> None:
    """List the profiles, or show every field of one: value, meaning, and where an override comes from.

    Examples:

        llm-auction profiles                            # the profiles
        llm-auction profiles laptop                     # all fields of one
        llm-auction profiles laptop --changed           # what the environment or .env overrides
        llm-auction profiles laptop --set dpo.beta=0.2  # what a run with this option would use

    The later wins: the profile, `.env`, environment variables (`LLM_AUCTION__DPO__BETA=0.2`), `--set`.
    """
    from rich.console import Console

    console = Console()
    if name is None:
        _print_list(console)
    else:
        _print_fields(console, name, overrides_from(assignments), changed)


def _print_list(console: Console) -> None:
    from rich.table import Table

    from llm_auction.profiles.builtin import BUILTIN
    from llm_auction.profiles.loading import PROFILE_VARIABLE, default_profile

    chosen = default_profile()
    table = Table(
        "profile", "what it is", "base model", "queries", "iterations", "candidates", box=None, pad_edge=False
    )
    for name, function in BUILTIN.items():
        profile = function()
        queries = profile.population.profiles * profile.population.queries_per_profile
        table.add_row(
            f"{name} *" if name == chosen else name,
            (function.__doc__ or "").strip(),
            profile.ad_llm.base,
            f"{queries:,}",
            str(profile.iterations),
            str(profile.candidates.per_query),
        )
    console.print(table)
    console.print(f"* taken when no profile is named ({PROFILE_VARIABLE} changes that)", style="dim")


def _print_fields(console: Console, name: str, overrides: dict[str, str], changed_only: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from llm_auction.profiles import load_profile
    from llm_auction.profiles.builtin import BUILTIN

    effective = load_profile(name, overrides)
    defaults = dict(fields_of(BUILTIN[name]()))
    table = Table("field", box=None, pad_edge=False)
    table.add_column("value", max_width=LONGEST_VALUE)
    table.add_column("meaning")
    section = ""
    for path, (value, meaning) in fields_of(effective):
        origin = _origin(path, overrides) if value != defaults[path][0] else None
        if changed_only and origin is None:
            continue
        if path.partition(".")[0] != section and "." in path:
            section = path.partition(".")[0]
            table.add_row("")
        described = Text(meaning, style="dim")
        if origin:
            described = Text.assemble(described, (f"  <- {origin}, was {_shown(defaults[path][0])}", "yellow"))
        # A value may hold what Rich would take for markup, such as the brackets of a glob.
        table.add_row(path, Text(_shown(value), style="bold"), described)
    if table.row_count:
        console.print(table)
    else:
        console.print(f"nothing overrides profile {name}")


def fields_of(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, tuple[Any, str]]]:
    """Every field of a profile, depth first: its path (`dpo.beta`), its value and the schema's description."""
    from pydantic import BaseModel

    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from fields_of(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", (value, field.description or "")


def _origin(path: str, overrides: dict[str, str]) -> str:
    """Who set a field that differs from its profile: the last of `.env`, environment and `--set` that names it."""
    import os

    from llm_auction.profiles.loading import OVERRIDE_PREFIX

    if path in overrides or path.rstrip("_") in overrides:
        return "--set"
    variable = OVERRIDE_PREFIX + path.rstrip("_").upper().replace(".", "__")
    present = [name for name in (variable, f"{variable}_") if os.environ.get(name)]
    return present[0] if present else f"{variable} in .env"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
