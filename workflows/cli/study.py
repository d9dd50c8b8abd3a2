"""`llm-auction study`: everything, under several seeds, and one report on all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SetOption, overrides_from, seeds_from
from workflows.cli.run import INTERRUPTED

if TYPE_CHECKING:
    from rich.console import Console

    from workflows.loop import LoopEvent, LoopResult


def study(
    profile: ProfileOption = None,
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0,1,2",
    assignments: SetOption = None,
    data_dir: DataDirOption = None,
    force: Annotated[bool, typer.Option("--force", help="Do everything again, also what is already there.")] = False,
) -> None:
    """Run the whole study: the loop, its ablations, every mechanism and every property, and pool the seeds.

    Examples:

        llm-auction study                                   # three seeds of the laptop profile
        llm-auction study --profile smoke --seeds 0,1       # the same, tiny
        llm-auction study --set 'ablations.arms=[]'         # without ablations
        llm-auction study --set ablations.train_queries=none    # ablations on all training queries

    What is finished is kept: stopped, killed or failed, the same command goes on where it stood. A stage that fails
    keeps back only what needs it. Parts of a study: `llm-auction run` and `llm-auction evaluate`.
    """
    from workflows.cli.pooled_report import name_failures, pool_seeds, seed_folders
    from workflows.cli.progress import open_console
    from workflows.cli.results_table import print_results
    from workflows.cli.state import report_folder
    from workflows.stages import REPORT

    chosen, overrides = seeds_from(seeds), overrides_from(assignments)
    console = open_console()
    # The whole configuration is checked here, before anything runs.
    folders = seed_folders(chosen, profile, overrides, data_dir)
    results = _run_seeds(console, folders, profile, overrides, force)
    failed = [f"seed {seed}: {reason}" for seed, result in results.items() for reason in result.failed.values()]
    # Said first, because without any outcomes there is nothing to report on.
    for line in failed:
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    for seed, result in results.items():
        if result.failed and REPORT not in result.failed:
            name_failures(seed, folders[seed], profile, overrides, list(result.failed.values()))
    if len(chosen) > 1:
        folder = pool_seeds(folders, profile, overrides, data_dir, failed).html.parent
    else:
        folder = report_folder(folders[chosen[0]])
    print_results(console, folder / "results.json")
    _print_times(console, results)
    console.print(f"\nthe report: {folder / 'report.html'}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _run_seeds(
    console: Console, folders: Mapping[int, Path], profile: str | None, overrides: Mapping[str, str], force: bool
) -> dict[int, LoopResult]:
    """One seed after the other, under one display."""
    from llm_auction.profiles import load_profile
    from workflows.cli.progress import LoopDisplay
    from workflows.loop import LoopEvent, LoopInterrupted, run_loop
    from workflows.stages import plan_study

    stages = plan_study(load_profile(profile, overrides))
    weights = {_of_seed(seed, stage.name): stage.weight for seed in folders for stage in stages}
    results = {}
    try:
        with LoopDisplay(console) as display:
            display(LoopEvent("planned", "", {"stages": weights}))
            for seed, folder in folders.items():

                def show(event: LoopEvent, seed: int = seed) -> None:
                    if event.kind != "planned":
                        display(replace(event, stage=_of_seed(seed, event.stage)))

                results[seed] = run_loop(
                    profile,
                    seed=seed,
                    data_dir=folder,
                    overrides=overrides,
                    study=True,
                    force=force,
                    on_event=show,
                )
    except LoopInterrupted as interruption:
        typer.echo(str(interruption), err=True)
        raise typer.Exit(INTERRUPTED) from None
    return results


def _of_seed(seed: int, stage: str) -> str:
    return f"seed {seed}, {stage}"


def _print_times(console: Console, results: Mapping[int, LoopResult]) -> None:
    """Where the time went, of all runs that the results rest on, those of an earlier start included."""
    from rich.table import Table

    from workflows.cli.progress import duration
    from workflows.stage_times import seconds_by_kind

    seconds: dict[str, float] = {}
    for result in results.values():
        for kind, took in seconds_by_kind(result.environment).items():
            seconds[kind] = seconds.get(kind, 0.0) + took
    table = Table(title="where the time went", title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for kind, took in seconds.items():
        table.add_row(kind, duration(took))
    table.add_row("all runs, one after the other", duration(sum(seconds.values())))
    table.add_row("this command", duration(sum(result.seconds for result in results.values())))
    console.print(table)
