"""`llm-auction run`: the whole loop, from the ad catalog to the report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption, SetOption, overrides_from, seeds_from

INTERRUPTED = 130  # the shell's code for a command that Ctrl-C ended


def run(
    profile: ProfileOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Several seeds one after the other, such as 0,1,2, and a report that pools them.", show_default=False
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(min=1, help="IRPO iterations of every arm; more can be added later.", show_default=False),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            help="Arms to train, separated by commas: llm_auction, oracle, or ablations such as no_iteration (see "
            "docs/configuration.md).",
            show_default=False,
        ),
    ] = None,
    catalog: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Your ads: a file or a glob (see docs/catalog.md).", show_default=False),
    ] = None,
    queries: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Your queries: a file or a glob (see docs/catalog.md).", show_default=False),
    ] = None,
    assignments: SetOption = None,
    data_dir: DataDirOption = None,
    force: Annotated[bool, typer.Option("--force", help="Do everything again, also what is already there.")] = False,
    plan_only: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print what the run would take; run nothing.")
    ] = False,
) -> None:
    """Run the whole loop: catalog, users, iterations of every arm, evaluation, report.

    Examples:

        llm-auction run                                  # the laptop profile, ten to fifteen minutes on two cores
        llm-auction run --profile smoke                  # the same, tiny: one to two minutes
        llm-auction run --seeds 0,1,2                    # three seeds and a pooled report
        llm-auction run --iterations 5                   # two more iterations than the default three
        llm-auction run --profile paper --dry-run        # tokens, GPU hours, memory and disk, and what is wrong
        llm-auction run --catalog ads.csv                # your own ads
        llm-auction run --set dpo.learning_rate=5e-4 --set preferences.answers_per_query=6

    What an earlier run of the same profile and seed finished is kept, so a run that was stopped goes on where it
    stood. `llm-auction ui` shows the same runs in the browser.
    """
    overrides = overrides_from(
        assignments, iterations=iterations, arms=arms, catalog__source=catalog, population__queries_source=queries
    )
    if plan_only:
        _plan(profile, seed, overrides)
    elif seeds is None:
        _run_one(profile, seed, overrides, data_dir, force)
    elif seed is not None:
        raise typer.BadParameter("--seed and --seeds can't go together")
    else:
        _run_several(seeds_from(seeds), profile, overrides, data_dir, force)


def _plan(profile: str | None, seed: int | None, overrides: Mapping[str, str]) -> None:
    from llm_auction.profiles import load_profile
    from workflows.cli.dry_run import dry_run
    from workflows.cli.progress import open_console

    changes = {**overrides, **({"seed": str(seed)} if seed is not None else {})}
    if dry_run(open_console(), load_profile(profile, changes)):
        raise typer.Exit(1)


def _run_one(
    profile: str | None, seed: int | None, overrides: Mapping[str, str], data_dir: Path | None, force: bool
) -> None:
    from workflows.cli.progress import LoopDisplay, duration, open_console
    from workflows.cli.results_table import print_results
    from workflows.cli.state import report_folder
    from workflows.loop import LoopInterrupted, run_loop

    console = open_console()
    try:
        with LoopDisplay(console) as display:
            result = run_loop(profile, seed=seed, data_dir=data_dir, overrides=overrides, force=force, on_event=display)
    except LoopInterrupted as interruption:
        typer.echo(str(interruption), err=True)
        raise typer.Exit(INTERRUPTED) from None
    folder = report_folder(result.data_dir)
    print_results(console, folder / "results.json")
    took, page = duration(result.seconds), folder / "report.html"
    console.print(f"\ndone in {took}; the report: {page}", markup=False, highlight=False, soft_wrap=True)


def _run_several(
    seeds: Sequence[int], profile: str | None, overrides: Mapping[str, str], data_dir: Path | None, force: bool
) -> None:
    """Each seed in a process of its own, so that none inherits another's state; then the pooled report."""
    from workflows.cli.pooled_report import pool_seeds, seed_folders
    from workflows.cli.progress import open_console
    from workflows.cli.results_table import print_results

    console = open_console()
    folders = seed_folders(seeds, profile, overrides, data_dir)
    for seed, folder in folders.items():
        console.print(f"seed {seed}", style="bold", highlight=False)
        command = [sys.executable, "-m", "workflows.cli", "run", "--seed", str(seed)]
        command += ["--profile", profile] if profile else []
        command += [part for field, value in overrides.items() for part in ("--set", f"{field}={value}")]
        command += ["--data-dir", str(folder)]
        command += ["--force"] if force else []
        code = subprocess.run(command, check=False).returncode
        if code:
            raise typer.Exit(code)
    files = pool_seeds(folders, profile, overrides, data_dir)
    print_results(console, files.results)
    console.print(f"\nthe report on all seeds: {files.html}", markup=False, highlight=False, soft_wrap=True)
