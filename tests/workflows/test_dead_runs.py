"""Runs whose process was killed are ended, those of the UI as well, and hold no pool any more."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.events import EngineEventData
from dagster._core.test_utils import create_run_for_test

from workflows.execution import PROCESS_TAG, process_name, release_dead_runs


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        made.event_log_storage.set_concurrency_slots("duckdb", 1)
        yield made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def run_of_the_ui(
    instance: DagsterInstance, pid: int | None, status: DagsterRunStatus = DagsterRunStatus.STARTED
) -> DagsterRun:
    """A run as Dagster's launcher leaves it: no tag of ours, and its process in an event."""
    run = create_run_for_test(instance, status=status)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    assert instance.event_log_storage.claim_concurrency_slot("duckdb", run.run_id, "feedback_models").is_claimed
    return run


def run_of_the_command_line(instance: DagsterInstance, pid: int) -> DagsterRun:
    """A run as `execute_stage` leaves it: its process in our tag."""
    return create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags={PROCESS_TAG: process_name(pid)})


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])
def test_a_run_of_a_deployment_that_was_killed(
    instance: DagsterInstance, process: subprocess.Popen[bytes], status: DagsterRunStatus
) -> None:
    run = run_of_the_ui(instance, process.pid, status)
    assert release_dead_runs(instance) == []
    process.kill()
    process.wait()
    assert release_dead_runs(instance) == [run.run_id]
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.is_finished
    assert instance.event_log_storage.get_concurrency_run_ids() == set()


def test_a_run_of_a_command_that_was_killed(instance: DagsterInstance, process: subprocess.Popen[bytes]) -> None:
    run = run_of_the_command_line(instance, process.pid)
    elsewhere = {PROCESS_TAG: f"another-machine:{process.pid}"}
    create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=elsewhere)
    assert release_dead_runs(instance) == []
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    # Nobody has asked for its exit code yet: a process that is over and still has its number.
    assert release_dead_runs(instance) == [run.run_id]


@pytest.mark.parametrize("run_of", [run_of_the_ui, run_of_the_command_line])
def test_after_a_power_cut_another_process_may_have_its_number(
    run_of: Callable[[DagsterInstance, int], DagsterRun],
    instance: DagsterInstance,
    process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of(instance, process.pid)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: time.time() + 60)
    assert release_dead_runs(instance) == [run.run_id]


def test_a_run_whose_process_is_not_known_is_left_alone(instance: DagsterInstance) -> None:
    run_of_the_ui(instance, None)
    assert release_dead_runs(instance) == []
