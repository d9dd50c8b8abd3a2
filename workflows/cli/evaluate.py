"""`llm-auction evaluate`: measure mechanisms on what is trained, and renew the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption, SetOption, overrides_from

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

    All mechanisms meet the same queries, candidates, bids and users. Nothing is trained here.
    """
    from assets.mechanism_runs import MECHANISMS
    from assets.properties import PROPERTIES
    from workflows.cli.progress import LoopDisplay, open_console
    from workflows.cli.results_table import print_results
    from workflows.cli.state import report_folder
    from workflows.environment import prepare_environment
    from workflows.stages import evaluation_stage, property_stage, report_stage

    unknown = sorted(set(mechanisms or ()) - set(MECHANISMS))
    if unknown:
        raise typer.BadParameter(f"unknown mechanism {', '.join(unknown)}: choose among {', '.join(MECHANISMS)}")
    unknown = sorted(set(properties or ()) - set(PROPERTIES))
    if unknown:
        raise typer.BadParameter(f"unknown property {', '.join(unknown)}: choose among {', '.join(PROPERTIES)}")
    environment = prepare_environment(profile, seed, data_dir, overrides_from(assignments))
    chosen = list(dict.fromkeys(mechanisms or ()))
    if not chosen and not properties:
        chosen = ["pretrained", "mosaic", *environment.profile.arms]
    stages = [evaluation_stage(name, iterations=environment.profile.iterations) for name in chosen]
    stages += [property_stage(name) for name in PROPERTIES if name in (properties or ())]
    console = open_console()
    with LoopDisplay(console) as display:
        _run([*stages, report_stage()], environment, display)
    folder = report_folder(environment.data_dir)
    print_results(console, folder / "results.json")
    console.print(f"\nthe report: {folder / 'report.html'}", highlight=False, soft_wrap=True)


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
