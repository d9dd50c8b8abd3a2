"""`llm-auction evaluate`: measure mechanisms on what is trained, and renew the report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption, SetOption, overrides_from, seeds_from

if TYPE_CHECKING:
    from workflows.cli.progress import LoopDisplay
    from workflows.environment import Environment
    from workflows.stages import Stage


def evaluate(
    mechanisms: Annotated[
        list[str] | None,
        typer.Option(
            "--mechanism",
            "-m",
            help="A mechanism or arm to measure; repeat it for more. Without it, those of `llm-auction run`.",
            show_default=False,
        ),
    ] = None,
    properties: Annotated[
        list[str] | None,
        typer.Option(
            "--property",
            help="monotonicity, continuity, incentives (after monotonicity), quality, reserve, "
            "objectives, reward_model; repeat it for more. Mechanisms are then measured only where they are named.",
            show_default=False,
        ),
    ] = None,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Several seeds one after the other, such as 0,1,2, and a report that pools them.", show_default=False
        ),
    ] = None,
    assignments: SetOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Measure mechanisms, or what theory promises of them, with the models that are trained, and renew the report.

    Examples:

        llm-auction evaluate                                   # what `llm-auction run` measures
        llm-auction evaluate -m rag_auction -m best_of_n -m clairvoyant
        llm-auction evaluate -m mosaic --set evaluation.mosaic_taus=1,5,20
        llm-auction evaluate -m llm_auction -m oracle --seed 1 # every iteration of both arms
        llm-auction evaluate --property monotonicity --property continuity
        llm-auction evaluate --property quality --seeds 0,1,2   # and pool the seeds, which must have been run

    All mechanisms meet the same queries, candidates, bids and users. Nothing is trained here.
    """
    from assets.mechanism_runs import MECHANISMS
    from assets.properties import PROPERTIES

    unknown = sorted(set(mechanisms or ()) - set(MECHANISMS))
    if unknown:
        raise typer.BadParameter(f"unknown mechanism {', '.join(unknown)}: choose among {', '.join(MECHANISMS)}")
    unknown = sorted(set(properties or ()) - set(PROPERTIES))
    if unknown:
        raise typer.BadParameter(f"unknown property {', '.join(unknown)}: choose among {', '.join(PROPERTIES)}")
    if seeds is not None and seed is not None:
        raise typer.BadParameter("--seed and --seeds can't go together")
    chosen, checks = list(dict.fromkeys(mechanisms or ())), [name for name in PROPERTIES if name in (properties or ())]
    overrides = overrides_from(assignments)
    if seeds is None:
        _evaluate_one(chosen, checks, profile, seed, overrides, data_dir)
    else:
        _evaluate_several(seeds_from(seeds), chosen, checks, profile, overrides, data_dir)


def _evaluate_one(
    mechanisms: Sequence[str],
    properties: Sequence[str],
    profile: str | None,
    seed: int | None,
    overrides: Mapping[str, str],
    data_dir: Path | None,
) -> None:
    from workflows.cli.progress import LoopDisplay, open_console
    from workflows.cli.results_table import print_results
    from workflows.cli.state import report_folder
    from workflows.environment import prepare_environment
    from workflows.stages import evaluated_with, evaluation_stage, property_stage, report_stage

    environment = prepare_environment(profile, seed, data_dir, overrides)
    if not mechanisms and not properties:
        mechanisms = evaluated_with(environment.profile.arms)
    stages = [evaluation_stage(name, iterations=environment.profile.iterations) for name in mechanisms]
    stages += [property_stage(name) for name in properties]
    console = open_console()
    with LoopDisplay(console) as display:
        _run([*stages, report_stage()], environment, display)
    folder = report_folder(environment.data_dir)
    print_results(console, folder / "results.json")
    console.print(f"\nthe report: {folder / 'report.html'}", markup=False, highlight=False, soft_wrap=True)


def _evaluate_several(
    seeds: Sequence[int],
    mechanisms: Sequence[str],
    properties: Sequence[str],
    profile: str | None,
    overrides: Mapping[str, str],
    data_dir: Path | None,
) -> None:
    """Each seed in a process of its own, so that none inherits another's state; then the pooled report."""
    from workflows.cli.pooled_report import pool_seeds, seed_folders
    from workflows.cli.progress import open_console
    from workflows.cli.results_table import print_results

    console = open_console()
    folders = seed_folders(seeds, profile, overrides, data_dir)
    options = [part for name in mechanisms for part in ("--mechanism", name)]
    options += [part for name in properties for part in ("--property", name)]
    options += ["--profile", profile] if profile else []
    options += [part for field, value in overrides.items() for part in ("--set", f"{field}={value}")]
    for seed, folder in folders.items():
        console.print(f"seed {seed}", style="bold", highlight=False)
        command = [sys.executable, "-m", "workflows.cli", "evaluate", *options, "--seed", str(seed)]
        code = subprocess.run([*command, "--data-dir", str(folder)], check=False).returncode
        if code:
            raise typer.Exit(code)
    files = pool_seeds(folders, profile, overrides, data_dir)
    print_results(console, files.results)
    console.print(f"\nthe report on all seeds: {files.html}", markup=False, highlight=False, soft_wrap=True)


def _run(stages: Sequence[Stage], environment: Environment, display: LoopDisplay) -> None:
    """The stages as Dagster runs in this process, one after the other."""
    from dagster import DagsterInstance
    from filelock import FileLock, Timeout

    from resources.lake import Lake
    from resources.model_store import ModelStore
    from workflows.definitions import defs
    from workflows.execution import execute_stage, release_dead_runs
    from workflows.freshness import run_tags
    from workflows.loop import LoopEvent

    lake, store = Lake(data_dir=str(environment.data_dir)), ModelStore(data_dir=str(environment.data_dir))
    display(LoopEvent("planned", "", {"stages": {stage.name: stage.weight for stage in stages}}))
    try:
        with FileLock(environment.data_dir / ".loop.lock", timeout=0), DagsterInstance.get() as instance:
            release_dead_runs(instance)
            for stage in stages:

                def emit(kind: str, fields: Mapping[str, Any], name: str = stage.name) -> None:
                    display(LoopEvent(kind, name, fields))

                emit("started", {})
                tags = run_tags(stage, environment.profile, lake, store)
                emit("done", execute_stage(defs, instance, stage, tags, emit))
    except Timeout:
        raise ValueError(f"another `llm-auction` command is at work in {environment.data_dir}: wait for it") from None
