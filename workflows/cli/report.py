"""`llm-auction report`: where the report lies, its figures, and one report over several seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption, SetOption, overrides_from, seeds_from


def report(
    profile: ProfileOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        str | None, typer.Option(help="Pool the runs of these seeds, such as 0,1,2, in one report.", show_default=False)
    ] = None,
    assignments: SetOption = None,
    path: Annotated[bool, typer.Option("--path", help="Print only the path of the report.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show the figures of a report and say where it lies: the newest one, or that of a profile and seed.

    Examples:

        llm-auction report                  # the results table, and the path of report.html
        llm-auction report --path           # the path alone: open "$(llm-auction report --path)"
        llm-auction report --seeds 0,1,2    # write a report that pools three seeds, which must have been run
        llm-auction report --seeds 0,1,2 --set ablations.train_queries=none    # of a study that was run with it

    Beside `report.html`, which needs no network, lies `results.json`: every figure as a record, for machines.
    """
    if seeds is not None:
        if seed is not None:
            raise typer.BadParameter("--seed and --seeds can't go together")
        from workflows.cli.pooled_report import pool_seeds, seed_folders

        overrides = overrides_from(assignments)
        folders = seed_folders(seeds_from(seeds), profile, overrides, data_dir)
        folder = pool_seeds(folders, profile, overrides, data_dir).html.parent
    elif assignments:
        raise typer.BadParameter(
            "--set goes with --seeds, which writes a report; to write that of one seed again: `llm-auction evaluate`"
        )
    else:
        from workflows.cli.state import find_report

        folder = find_report(profile, seed, data_dir)
    page = folder / "report.html"
    if path:
        typer.echo(page)
        return
    from workflows.cli.progress import open_console
    from workflows.cli.results_table import print_results

    console = open_console()
    print_results(console, folder / "results.json")
    console.print(f"\nthe report: {page}", markup=False, highlight=False, soft_wrap=True)
