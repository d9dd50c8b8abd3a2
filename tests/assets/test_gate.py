"""The gate: an iteration never starts on an old model."""

from __future__ import annotations

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    asset,
    materialize,
)
from dagster._core.test_utils import create_run_for_test

from assets.gate import IterationRefused, refuse_out_of_order
from assets.partitions import irpo_partitions


def run_of(
    instance: DagsterInstance,
    key: str,
    status: DagsterRunStatus = DagsterRunStatus.STARTED,
    backfill: str | None = "bf",
) -> DagsterRun:
    tags = {"dagster/partition": key, "dagster/partition/arm": key.split("|", maxsplit=1)[0]}
    tags |= {"dagster/backfill": backfill} if backfill else {}
    return create_run_for_test(instance, job_name="irpo_iteration", status=status, tags=tags)


def failed_run(instance: DagsterInstance, key: str, *written: str) -> None:
    """A real run of a partition that materializes `written` and then fails before its `ad_llm`."""

    def link(name: str, deps: list[str]) -> AssetsDefinition:
        @asset(name=name, partitions_def=irpo_partitions, deps=deps)
        def made() -> None:
            if name == "ad_llm":
                raise RuntimeError("no model")

        return made

    names = [*written, "ad_llm"]
    chain = [link(name, names[max(0, number - 1) : number]) for number, name in enumerate(names)]
    arm = {"dagster/partition/arm": key.split("|", maxsplit=1)[0]}
    assert not materialize(chain, partition_key=key, instance=instance, raise_on_error=False, tags=arm).success


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


def test_other_arms_do_not_matter(instance: DagsterInstance) -> None:
    run_of(instance, "llm_auction|01", DagsterRunStatus.FAILURE)
    refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


def test_a_run_elsewhere_that_failed_before_it_wrote_anything_does_not_matter(instance: DagsterInstance) -> None:
    run_of(instance, "oracle|01", DagsterRunStatus.FAILURE, backfill="earlier")
    failed_run(instance, "oracle|01")
    refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


@pytest.mark.parametrize("backfill", [None, "later"])
def test_a_re_run_that_failed_half_way_leaves_an_old_model(instance: DagsterInstance, backfill: str | None) -> None:
    """The model of the first run is still there, and is not what stands beside the new feedback."""
    instance.report_runless_asset_event(AssetMaterialization("ad_llm", partition="oracle|01"))
    run_of(instance, "oracle|01", DagsterRunStatus.SUCCESS, backfill=None)
    failed_run(instance, "oracle|01", "ad_responses")
    own = run_of(instance, "oracle|02", backfill=backfill)
    with pytest.raises(IterationRefused, match=r"iteration 01 ended as FAILURE.*Materialize iteration 01"):
        refuse_out_of_order(instance, own, "oracle", "02")
    instance.report_runless_asset_event(AssetMaterialization("ad_llm", partition="oracle|01"))
    refuse_out_of_order(instance, own, "oracle", "02")


def test_a_run_that_makes_no_model_does_not_matter(instance: DagsterInstance) -> None:
    tags = {"dagster/partition": "oracle|01", "dagster/partition/arm": "oracle"}
    looked = frozenset({AssetKey("answer_quality")})
    create_run_for_test(instance, status=DagsterRunStatus.FAILURE, tags=tags, asset_selection=looked)
    create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=tags, asset_selection=looked)
    refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")


@pytest.mark.parametrize("key", ["oracle|01", "oracle|02", "oracle|03"])
def test_two_runs_of_an_arm_are_never_at_work_at_once(instance: DagsterInstance, key: str) -> None:
    """A run from the command line goes past the queue, which keeps those of the UI apart."""
    other = run_of(instance, key, backfill=None)
    own = run_of(instance, "oracle|02", backfill=None)
    with pytest.raises(IterationRefused, match=f"can't start while .*{other.run_id}.*wait for its end"):
        refuse_out_of_order(instance, own, "oracle", "02")
    own = run_of(instance, "oracle|01", backfill=None)
    with pytest.raises(IterationRefused, match="can't start while"):
        refuse_out_of_order(instance, own, "oracle", "01")


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


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_overlap_names_the_missing_rule(instance: DagsterInstance, status: DagsterRunStatus) -> None:
    run_of(instance, "oracle|01", status)
    with pytest.raises(IterationRefused, match=r"can't start while oracle\|01 .*tag_concurrency_limits"):
        refuse_out_of_order(instance, run_of(instance, "oracle|02"), "oracle", "02")
