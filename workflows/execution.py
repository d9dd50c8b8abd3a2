"""One stage as one Dagster run in this process, recorded on the instance, so that the UI shows it like any other."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    RunRecord,
    RunsFilter,
)

from workflows.environment import set_pool_limits
from workflows.progress import listening
from workflows.stages import Stage

# Tags of ours, not of the user's: the UI leaves out what begins with ".dagster/".
PROCESS_TAG = ".dagster/llm_auction_process"
FINGERPRINT_TAG = ".dagster/llm_auction_fingerprint"
# What Dagster's run processes say first, with their pid.
_PROCESS_STARTED = "Started process for run"
# A process's start is computed from the time of the boot, which a set clock moves.
_CLOCK_SECONDS = 5.0

Emit = Callable[[str, Mapping[str, Any]], None]


class StageFailed(RuntimeError):
    """A stage ended badly; the message names its step and the cause. `failed_checks` are those that did not hold."""

    def __init__(self, message: str, failed_checks: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.failed_checks = tuple(failed_checks)


@dataclass
class _Watch:
    """Translates what a run reports into events for `emit`, and remembers its first failure."""

    emit: Emit
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    failure: str | None = None
    failed_checks: list[str] = field(default_factory=list)

    def __call__(self, item: str | DagsterEvent) -> None:
        if isinstance(item, str):
            self.emit("progress", {"message": item})
            return
        kind = item.event_type
        if kind == DagsterEventType.STEP_START:
            self.emit("step_started", {"step": item.step_key})
        elif kind == DagsterEventType.STEP_SUCCESS:
            seconds = item.step_success_data.duration_ms / 1000
            self.emit("step_finished", {"step": item.step_key, "seconds": seconds})
        elif kind == DagsterEventType.ASSET_MATERIALIZATION and item.asset_key is not None:
            self._materialized(item)
        elif kind == DagsterEventType.ASSET_CHECK_EVALUATION:
            self._checked(item)
        elif kind == DagsterEventType.STEP_FAILURE and self.failure is None:
            self.failure = f"{item.step_key}: {_cause(item.step_failure_data.error)}"

    def _materialized(self, event: DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        numbers = {
            name: float(value.value)
            for name, value in materialization.metadata.items()
            if isinstance(value.value, (int, float))
        }
        self.metrics.setdefault(materialization.asset_key.to_user_string(), {}).update(numbers)

    def _checked(self, event: DagsterEvent) -> None:
        check = event.asset_check_evaluation_data
        if not check.passed:
            text = f"{check.asset_key.to_user_string()}: {check.check_name}"
            text += f" ({check.description})" if check.description else ""
            self.failed_checks.append(text)
            self.emit("check_failed", {"check": text, "severity": check.severity.value})


def execute_stage(
    definitions: Definitions, instance: DagsterInstance, stage: Stage, tags: Mapping[str, str], emit: Emit
) -> dict[str, Any]:
    """Run the stage to its end and return {"run_id", "seconds", "metrics": {asset: {name: number}}}.

    Raises:
        StageFailed: a step failed, a blocking check failed, or the run was interrupted.
    """
    started = time.monotonic()
    job = definitions.resolve_job_def(stage.job)
    watch = _Watch(emit)
    with listening(watch):
        result = job.execute_in_process(
            instance=instance,
            partition_key=stage.partition,
            run_config={"loggers": {"progress": {}}},
            tags={**tags, PROCESS_TAG: process_name()},
            raise_on_error=False,
        )
    # A run that was interrupted inside a step leaves its pool slots behind.
    instance.event_log_storage.free_concurrency_slots_for_run(result.run_id)
    if not result.success:
        checks = f" [failed checks: {'; '.join(watch.failed_checks)}]" if watch.failed_checks else ""
        cause = watch.failure or "the run was interrupted"
        raise StageFailed(f"{stage.name} failed at {cause}{checks} (run {result.run_id})", watch.failed_checks)
    return {"run_id": result.run_id, "seconds": time.monotonic() - started, "metrics": watch.metrics}


def prepare_instance() -> None:
    """Make the instance of DAGSTER_HOME ready for runs: close what was killed, set the limits of the pools."""
    with DagsterInstance.get() as instance:
        release_dead_runs(instance)
        set_pool_limits(instance)


def process_name(pid: int | None = None) -> str:
    """This machine and process, as runs carry them, so that a run whose process died can be told from a live one."""
    return f"{socket.gethostname()}:{os.getpid() if pid is None else pid}"


def release_dead_runs(instance: DagsterInstance) -> list[str]:
    """End the runs of processes that were killed, and free their pool slots; returns their ids.

    A run of the UI outlives nothing but a death of the whole deployment, such as a power cut: nobody is left then to
    record its end. Only processes of this machine can be looked at. Slots are also freed for runs that are over:
    without a daemon nobody else does.
    """
    unfinished = [
        DagsterRunStatus.NOT_STARTED,
        DagsterRunStatus.STARTING,
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
    ]
    dead = []
    for record in instance.get_run_records(RunsFilter(statuses=unfinished)):
        pid = _dead_process(instance, record)
        if pid is not None:
            run = record.dagster_run
            instance.report_run_failed(run, f"its process ({pid}) is gone: killed, or out of memory")
            dead.append(run.run_id)
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            storage.free_concurrency_slots_for_run(run_id)
    return dead


def _dead_process(instance: DagsterInstance, unfinished: RunRecord) -> int | None:
    """The process of an unfinished run, when it is gone; None when it lives, or can't be known."""
    run = unfinished.dagster_run
    if PROCESS_TAG in run.tags:
        host, _, number = run.tags[PROCESS_TAG].rpartition(":")
        if host != socket.gethostname() or _lives(int(number), unfinished.create_timestamp.timestamp()):
            return None
        return int(number)
    # Dagster's launcher leaves no tag: its runs tell their process in the first event of their own.
    for record in instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT).records:
        event = record.event_log_entry.dagster_event
        if event is not None and (event.message or "").startswith(_PROCESS_STARTED):
            pid = int(str(event.engine_event_data.metadata["pid"].value))
            return None if _lives(pid, record.event_log_entry.timestamp) else pid
    return None


def _lives(pid: int, seen: float) -> bool:
    """Whether the process that had this number at the time `seen` lives; another may have got the number since."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= seen + _CLOCK_SECONDS and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _cause(error: Any) -> str:
    """What the user should read of a step's error: the exception that our code raised, without its class's path."""
    while error.cls_name and error.cls_name.startswith("DagsterExecution") and error.cause is not None:
        error = error.cause
    text = error.message.strip()
    head, separator, rest = text.partition(": ")
    return rest.strip() if separator and " " not in head else text
