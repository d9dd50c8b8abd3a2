"""The guards of the feedback in real Dagster runs: they look at the run's partition only and stop what follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult, asset, define_asset_job

from assets import feedback_checks
from assets.partitions import irpo_partitions
from llm_auction.profiles.schema import FeedbackConfig, Profile
from resources.lake import Lake
from resources.profile import ProfileResource
from tests.feedback_lake import Row, small_lake, write_feedback

RAN: list[str] = []


class SmallProfile(ProfileResource):
    """Three answers a query, as the small lake holds."""

    def get(self) -> Profile:
        return Profile(name="small", feedback=FeedbackConfig(answers_per_query=3, min_ctr=0.6))


@asset(partitions_def=irpo_partitions)
def ad_responses() -> None:
    """Stands in for the asset: the test has written its partition."""


@asset(partitions_def=irpo_partitions, deps=["ad_responses"])
def click_feedback() -> None:
    """Stands in for the asset: the test has written its partition."""


@asset(partitions_def=irpo_partitions, deps=["click_feedback"])
def after() -> None:
    """Stands in for all that follows."""
    RAN.append("after")


def run(
    lake: Lake, partition_key: str = "llm_auction|01", instance: DagsterInstance | None = None
) -> ExecuteInProcessResult:
    RAN.clear()
    checks = [feedback_checks.ad_responses_expectations, feedback_checks.click_feedback_expectations]
    definitions = Definitions(
        assets=[ad_responses, click_feedback, after],
        asset_checks=checks,
        jobs=[define_asset_job("loop")],
        resources={"lake": lake, "profile": SmallProfile()},
    )
    job = definitions.resolve_job_def("loop")
    return job.execute_in_process(partition_key=partition_key, raise_on_error=False, instance=instance)


def failures(result: ExecuteInProcessResult) -> dict[str, str]:
    return {
        evaluation.asset_key.to_user_string(): str(evaluation.description)
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    }


def test_good_feedback_passes_and_what_follows_runs(tmp_path: Path) -> None:
    lake = small_lake(tmp_path)
    write_feedback(lake)
    result = run(lake)
    assert result.success
    assert RAN == ["after"]
    evaluations = {item.asset_key: item for item in result.get_asset_check_evaluations()}
    assert set(evaluations) == {AssetKey("ad_responses"), AssetKey("click_feedback")}
    metadata = evaluations[AssetKey("click_feedback")].metadata
    assert metadata["ctr"].value == pytest.approx(2 / 3)
    assert metadata["partition"].value == "llm_auction|01"
    assert {item.partition for item in evaluations.values()} == {"llm_auction|01"}
    assert "| ✅ holds | at least one ad was judged | judged\\_ads | at least 1 | 6 |" in str(
        metadata["expectations"].value
    )


def test_a_click_on_an_ad_that_was_not_inserted_stops_what_follows(tmp_path: Path) -> None:
    def change(answers: list[Row], clicks: list[Row]) -> None:
        clicks[0]["ad_id"] = "a1"

    lake = small_lake(tmp_path)
    write_feedback(lake, change=change)
    result = run(lake)
    assert not result.success
    assert RAN == []
    assert list(failures(result)) == ["click_feedback"]
    assert "no click on an ad that was not inserted" in failures(result)["click_feedback"]


def test_bad_answers_stop_the_clicks_already(tmp_path: Path) -> None:
    def change(answers: list[Row], clicks: list[Row]) -> None:
        del answers[3:]

    lake = small_lake(tmp_path)
    write_feedback(lake, change=change)
    result = run(lake)
    assert not result.success
    assert {event.step_key for event in result.get_step_success_events()} == {"ad_responses"}
    assert "answers, as a share of training queries" in failures(result)["ad_responses"]


def test_a_bad_partition_fails_no_other(tmp_path: Path) -> None:
    def change(answers: list[Row], clicks: list[Row]) -> None:
        for click in clicks:
            click["clicked"] = False

    lake = small_lake(tmp_path)
    write_feedback(lake, "llm_auction", "01", change=change)
    write_feedback(lake, "llm_auction", "02")
    write_feedback(lake, "oracle", "01")
    with DagsterInstance.ephemeral() as instance:
        assert not run(lake, "llm_auction|01", instance).success
        assert run(lake, "llm_auction|02", instance).success
        assert run(lake, "oracle|01", instance).success


def test_a_missing_column_is_named_and_nothing_else_is_judged(tmp_path: Path) -> None:
    lake = small_lake(tmp_path)
    write_feedback(lake)
    partition = {"arm": "llm_auction", "iteration": "01"}
    lake.write("click_feedback", lake.read("click_feedback", partition).drop("clicked"), partition)
    result = run(lake)
    assert not result.success
    assert failures(result)["click_feedback"].endswith(
        "column of this type (clicked): no such column, expected Boolean"
    )


def test_a_check_without_its_partition_says_so(tmp_path: Path) -> None:
    lake = small_lake(tmp_path)
    write_feedback(lake)
    definitions = Definitions(
        assets=[ad_responses],
        asset_checks=[feedback_checks.ad_responses_expectations],
        resources={"lake": lake, "profile": SmallProfile()},
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(raise_on_error=False)
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.error is not None
    assert "this check looks at one arm and iteration" in failure.step_failure_data.error.message
