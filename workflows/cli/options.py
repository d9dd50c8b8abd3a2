"""Options that several commands share, and how they become overrides of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Configuration to run: smoke, laptop or paper (see `llm-auction profiles`). "
        "Without it: LLM_AUCTION_PROFILE, else laptop.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, help="Seed of every random draw; each seed keeps a state of its own.", show_default=False
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Override one field of the profile; repeat it for more. `llm-auction profiles laptop` lists the fields.",
        show_default=False,
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="DATA_DIR",
        help="Where tables, models, the warehouse and Dagster's records go. Without it: data/PROFILE[-seedN].",
        show_default=False,
    ),
]


def overrides_from(assignments: Sequence[str] | None, **fields: object) -> dict[str, str]:
    """Overrides for `load_profile`: options of their own (None = not given), then `--set FIELD=VALUE`, which wins.

    Keyword names write a dot as a double underscore: `catalog__source` is the field `catalog.source`.

    Raises:
        typer.BadParameter: an assignment without `=` or without a field.
    """
    overrides = {name.replace("__", "."): str(value) for name, value in fields.items() if value is not None}
    for assignment in assignments or ():
        field, separator, value = assignment.partition("=")
        if not separator or not field.strip():
            raise typer.BadParameter(f"{assignment!r} is not FIELD=VALUE; example: --set dpo.learning_rate=5e-4")
        overrides[field.strip()] = value.strip()
    return overrides


def seeds_from(text: str) -> list[int]:
    """Seeds of "0,1,2", each once, in the order given.

    Raises:
        typer.BadParameter: not a comma-separated list of whole numbers >= 0.
    """
    seeds = []
    for part in text.split(","):
        if not part.strip().isdecimal():
            raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 0,1,2")
        seeds.append(int(part))
    return list(dict.fromkeys(seeds))
