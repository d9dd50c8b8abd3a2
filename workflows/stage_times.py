"""How long the runs behind a study took, by kind of stage, from Dagster's own records."""

from __future__ import annotations

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from llm_auction.profiles.arms import is_ablation
from workflows.environment import Environment
from workflows.stages import Stage, plan_study


def seconds_by_kind(environment: Environment) -> dict[str, float]:
    """Seconds of the newest successful run of every stage of the study, summed by kind of stage, in their order."""
    seconds: dict[str, float] = {}
    with DagsterInstance.from_config(str(environment.dagster_home)) as instance:
        for stage in plan_study(environment.profile):
            kind = _kind(stage)
            seconds[kind] = seconds.get(kind, 0.0) + _seconds(instance, stage)
    return seconds


def _kind(stage: Stage) -> str:
    if stage.arm is not None:
        return "training of ablations" if is_ablation(stage.arm) else "training of the main arms"
    if stage.job == "evaluation":
        return "evaluation of mechanisms"
    return "market, base and report" if stage.job in ("market_and_base", "study") else f"property: {stage.name}"


def _seconds(instance: DagsterInstance, stage: Stage) -> float:
    partition = {"dagster/partition": stage.partition} if stage.partition is not None else {}
    found = RunsFilter(job_name=stage.job, statuses=[DagsterRunStatus.SUCCESS], tags=partition)
    records = instance.get_run_records(found, limit=1)
    if not records or records[0].start_time is None or records[0].end_time is None:
        return 0.0
    return records[0].end_time - records[0].start_time
