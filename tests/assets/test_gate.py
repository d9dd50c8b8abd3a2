"""The gate: an iteration never starts on an old model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import AssetMaterialization, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from assets.gate import IterationRefused, refuse_out_of_order


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def run_of(
    instance: DagsterInstance,
    key: str,
    status: DagsterRunStatus = DagsterRunStatus.STARTED,
    backfill: str | None = "bf",
) -> DagsterRun:
    tags = {"dagster/partition": key} | ({"dagster/backfill": backfill} if backfill else {})
    return create_run_for_test(instance, job_name="irpo_iteration", status=status, tags=tags)


def test_first_iteration_always_starts(instance: DagsterInstance) -> None:
    refuse_out_of_order(instance, run_of(instance, "oracle|01"), "oracle", "01")


def test_next_iteration_starts_after_success(instance: DagsterInstance) -> None:
    run_of(instance, "oracle|01", DagsterRunStatus.SUCCESS)
    refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


@pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED])
def test_failed_iteration_of_the_same_backfill_stops_the_next(
    instance: DagsterInstance, status: DagsterRunStatus
) -> None:
    failed = run_of(instance, "oracle|01", status)
    with pytest.raises(IterationRefused, match=f"iteration 02 of arm oracle is not started.*{failed.run_id}"):
        refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


def test_other_arms_and_other_backfills_do_not_matter(instance: DagsterInstance) -> None:
    run_of(instance, "llm_auction|01", DagsterRunStatus.FAILURE)
    run_of(instance, "oracle|01", DagsterRunStatus.FAILURE, backfill="earlier")
    refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


def test_a_re_run_in_the_backfill_counts(instance: DagsterInstance) -> None:
    run_of(instance, "oracle|01", DagsterRunStatus.FAILURE)
    run_of(instance, "oracle|01", DagsterRunStatus.SUCCESS)
    refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


def test_a_model_made_outside_the_backfill_since_then_counts(instance: DagsterInstance) -> None:
    run_of(instance, "oracle|01", DagsterRunStatus.FAILURE)
    instance.report_runless_asset_event(AssetMaterialization("ad_llm", partition="oracle|01"))
    refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


def test_a_model_older_than_the_failure_does_not_count(instance: DagsterInstance) -> None:
    instance.report_runless_asset_event(AssetMaterialization("ad_llm", partition="oracle|01"))
    run_of(instance, "oracle|01", DagsterRunStatus.FAILURE)
    with pytest.raises(IterationRefused):
        refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


@pytest.mark.parametrize(
    ("status", "backfill"),
    [(DagsterRunStatus.STARTING, "bf"), (DagsterRunStatus.STARTED, "bf"), (DagsterRunStatus.STARTED, None)],
)
def test_overlap_names_the_missing_rule(
    instance: DagsterInstance, status: DagsterRunStatus, backfill: str | None
) -> None:
    run_of(instance, "oracle|01", status, backfill)
    with pytest.raises(IterationRefused, match=r"can't start while iteration 01 .*tag_concurrency_limits"):
        refuse_out_of_order(instance, run_of(instance, "oracle|02", backfill=backfill), "oracle", "02")
