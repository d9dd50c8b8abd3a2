"""The modelled feedback in real Dagster runs: one partition, tested; nothing follows when a test fails."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    Failure,
    asset,
    define_asset_job,
)

from assets import feedback_checks
from assets.feedback_models import feedback_models
from assets.partitions import irpo_partitions
from assets.refused_feedback import require_accepted_feedback
from llm_auction.profiles.schema import FeedbackConfig, Profile
from resources.dbt import dbt_resource
from resources.lake import Lake
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.feedback_lake import Row, small_lake, write_feedback

ROOT = Path(__file__).resolve().parents[2]
RAN: list[str] = []


class SmallProfile(ProfileResource):
    """Three answers a query, as the small lake holds."""

    def get(self) -> Profile:
        return Profile(name="small", feedback=FeedbackConfig(answers_per_query=3, min_ctr=0.6))


@asset(partitions_def=irpo_partitions, deps=["fct_ad_impressions", "fct_responses"])
def pctr_model() -> None:
    """Stands in for the reward model and all that follows."""
    RAN.append("pctr_model")


def run(
    lake: Lake, partition_key: str = "llm_auction|01", instance: DagsterInstance | None = None
) -> ExecuteInProcessResult:
    RAN.clear()
    definitions = Definitions(
        assets=[feedback_models, pctr_model],
        asset_checks=[feedback_checks.fct_ad_impressions_expectations, feedback_checks.fct_responses_expectations],
        jobs=[define_asset_job("loop")],
        resources={
            "lake": lake,
            "profile": SmallProfile(),
            "warehouse": Warehouse(data_dir=lake.data_dir),
            "dbt": dbt_resource(),
        },
    )
    return definitions.resolve_job_def("loop").execute_in_process(
        partition_key=partition_key, raise_on_error=False, instance=instance
    )


def failed_checks(result: ExecuteInProcessResult) -> set[tuple[str, str]]:
    return {
        (item.asset_key.to_user_string(), item.check_name)
        for item in result.get_asset_check_evaluations()
        if not item.passed
    }


def test_the_models_are_assets_of_their_group_with_blocking_tests() -> None:
    specs = {spec.key.to_user_string(): spec for spec in feedback_models.specs}
    assert set(specs) >= {
        "stg_ads",
        "stg_queries",
        "stg_ad_responses",
        "stg_click_feedback",
        "int_inserted_ads",
        "fct_ad_impressions",
        "fct_ad_conversions",
        "fct_responses",
        "agg_ad_performance",
        "agg_iteration_performance",
        "rejected_feedback_events",
    }
    for spec in specs.values():
        assert spec.group_name == "irpo"
        assert spec.owners == ["team:ads-science"]
        assert spec.kinds == {"dbt", "duckdb"}
        assert spec.partitions_def == irpo_partitions
        assert spec.metadata["dagster/column_schema"]
    upstream = {dep.asset_key for spec in specs.values() for dep in spec.deps}
    sources = ("ad_catalog", "user_queries", "ad_responses", "click_feedback", "conversion_feedback")
    assert {AssetKey(name) for name in sources} <= upstream
    tested = {check.asset_key.to_user_string() for check in feedback_models.check_specs}
    assert tested == set(specs)
    assert all(check.blocking for check in feedback_models.check_specs)
    assert feedback_models.op.pool == "duckdb"


def test_a_missing_partition_is_named(tmp_path: Path) -> None:
    result = run(small_lake(tmp_path))
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    assert error.cause is not None
    assert "materialize the asset ad_responses[llm_auction|01] first" in error.cause.message


@pytest.mark.slow
def test_a_partition_is_modelled_checked_and_used(tmp_path: Path) -> None:
    lake = small_lake(tmp_path)
    write_feedback(lake)
    result = run(lake)
    assert result.success
    assert RAN == ["pctr_model"]
    assert failed_checks(result) == set()
    counts = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }
    assert counts["fct_responses"]["dagster/row_count"].value == 6
    assert counts["fct_ad_impressions"]["dagster/partition_row_count"].value == 6
    assert "dagster/partition_row_count" not in counts["stg_ads"]
    assert list((tmp_path / "dbt").iterdir()) == []


@pytest.mark.slow
def test_a_failing_dbt_test_stops_what_follows(tmp_path: Path) -> None:
    lake = small_lake(tmp_path)
    write_feedback(lake)
    catalog = lake.read("ad_catalog")
    lake.write("ad_catalog", catalog.vstack(catalog.head(1)))
    with DagsterInstance.ephemeral() as instance:
        result = run(lake, instance=instance)
        assert not result.success
        assert RAN == []
        assert failed_checks(result) == {("stg_ads", "unique_stg_ads_ad_id")}
        # Nor does a run that holds only what follows learn from it, until it was mended.
        require_accepted_feedback(instance, "llm_auction|02")
        with pytest.raises(Failure, match=r"refused the feedback of llm_auction\|01"):
            require_accepted_feedback(instance, "llm_auction|01")
        lake.write("ad_catalog", catalog)
        assert run(lake, instance=instance).success
        require_accepted_feedback(instance, "llm_auction|01")


@pytest.mark.slow
def test_an_implausible_click_rate_stops_the_reward_model(tmp_path: Path) -> None:
    def change(answers: list[Row], clicks: list[Row]) -> None:
        for click in clicks:
            click["clicked"] = False

    lake = small_lake(tmp_path)
    write_feedback(lake, change=change)
    with DagsterInstance.ephemeral() as instance:
        result = run(lake, instance=instance)
        with pytest.raises(Failure, match=r"refused the feedback of llm_auction\|01"):
            require_accepted_feedback(instance, "llm_auction|01")
    assert not result.success
    assert RAN == []
    assert failed_checks(result) == {("fct_ad_impressions", "great_expectations")}
    [evaluation] = [item for item in result.get_asset_check_evaluations() if not item.passed]
    assert evaluation.description is not None
    assert evaluation.description.startswith("1 of 19 expectations on fct_ad_impressions failed: clicks per impression")
    assert "(ctr_high): 0.525" in evaluation.description


@pytest.mark.slow
def test_a_short_writer_of_another_process_is_waited_for(tmp_path: Path) -> None:
    lake = small_lake(tmp_path)
    write_feedback(lake)
    hold = f"""
        import duckdb, time
        connection = duckdb.connect({str(tmp_path / "warehouse.duckdb")!r})
        print("held", flush=True)
        time.sleep(12)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(hold)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        result = run(lake)
    assert result.success


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_arms_side_by_side_meet_no_lock_error(tmp_path: Path) -> None:
    """Two processes without a common Dagster instance, so that no pool keeps them apart."""
    lake = small_lake(tmp_path)
    write_feedback(lake, "llm_auction", "01")
    write_feedback(lake, "oracle", "01")
    one = f"""
        import sys
        from pathlib import Path
        from resources.lake import Lake
        from tests.assets.test_feedback_models import run
        sys.exit(0 if run(Lake(data_dir={str(tmp_path)!r}), sys.argv[1]).success else 1)
    """
    command = [sys.executable, "-c", textwrap.dedent(one)]
    runs = [
        subprocess.Popen([*command, key], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for key in ("llm_auction|01", "oracle|01")
    ]
    outputs = [process.communicate(timeout=540)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], "\n".join(output[-3000:] for output in outputs)
    found = Warehouse(data_dir=str(tmp_path)).query(
        "select arm, count(*) as n from fct_responses group by arm order by arm"
    )
    assert found.rows() == [("llm_auction", 6), ("oracle", 6)]
