"""Waiting for a pool: a run that may not go on yet sleeps, and goes on soon after the slot is free."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRun
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

from workflows.pool_waits import LONGEST_WAIT, sleep_between_claims


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    sleep_between_claims()
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.event_log_storage.set_concurrency_slots("duckdb", 1)
        yield instance


def context(instance: DagsterInstance, run_id: str) -> InstanceConcurrencyContext:
    run = DagsterRun(job_name="loop", run_id=run_id)
    instance.add_run(run)
    return InstanceConcurrencyContext(instance, run)


def test_a_run_sleeps_until_it_may_ask_again(instance: DagsterInstance) -> None:
    with context(instance, "first") as first, context(instance, "second") as second:
        assert first.claim("duckdb", "build")
        for _ in range(40):  # however long it has waited already
            assert not second.claim("duckdb", "build")
            wait = second.interval_to_next_pending_claim_check()
            assert 0 < wait <= LONGEST_WAIT
            second._pending_timeouts["build"] = time.time() - 1
        first.free_step("build")
        assert second.claim("duckdb", "build")


def test_a_run_that_waits_for_nothing_does_not_sleep(instance: DagsterInstance) -> None:
    with context(instance, "first") as first:
        assert first.interval_to_next_pending_claim_check() == 0
        assert first.claim("duckdb", "build")
        assert first.interval_to_next_pending_claim_check() == 0


def test_a_time_that_has_passed_is_no_wait(instance: DagsterInstance) -> None:
    with context(instance, "first") as first, context(instance, "second") as second:
        assert first.claim("duckdb", "build")
        assert not second.claim("duckdb", "build")
        second._pending_timeouts["build"] = time.time() - 1
        assert second.interval_to_next_pending_claim_check() == 0
