"""The command line as a whole: it gathers the commands and turns errors into one readable line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from workflows.cli.evaluate import evaluate
from workflows.cli.logs import logs
from workflows.cli.models import models
from workflows.cli.nightly import nightly
from workflows.cli.pretrain import pretrain
from workflows.cli.profiles import profiles
from workflows.cli.report import report
from workflows.cli.run import run
from workflows.cli.study import study
from workflows.cli.ui import ui

app = typer.Typer(
    name="llm-auction",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=(
        "Train a language model to run an ad auction inside its own answers (LLM-Auction, arXiv 2512.10551).\n\n"
        "Start with `llm-auction run`; every command explains itself with `--help`."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"llm-auction {version('llm-auction')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What every command shares; typer takes the help of the whole from above."""


for command in (run, evaluate, study, report, profiles, pretrain, nightly, ui):
    app.command()(command)
app.add_typer(logs, name="logs")
app.add_typer(models)


def main() -> None:
    """Run the command line. An expected error is one line; LLM_AUCTION_TRACEBACK=1 shows where it arose."""
    try:
        app()
    except Exception as error:
        text = _one_line(error)
        if text is None or os.environ.get("LLM_AUCTION_TRACEBACK"):
            raise
        typer.secho(f"error: {text}", fg=typer.colors.RED, err=True)
        sys.exit(1)


def _one_line(error: Exception) -> str | None:
    """What the user should read of an expected error; None of any other."""
    if isinstance(error, OSError):
        # An OSError's text begins with its number, which helps nobody.
        return (error.filename is None and error.strerror) or str(error)
    if isinstance(error, ValueError | RuntimeError):
        return str(error)
    from resources.storage import told_of_full_disk

    # Dagster's own records lie in the data directory too, and their library has exceptions of its own.
    return told_of_full_disk(error, Path(os.environ["DATA_DIR"])) if "DATA_DIR" in os.environ else None
