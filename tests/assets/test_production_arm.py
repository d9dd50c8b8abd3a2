"""The arm `production`: an iteration whose answers and clicks come from the click log, through the same assets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, ExecuteInProcessResult, materialize

from assets import feedback_checks
from assets.ad_llm import preference_sets
from assets.feedback_models import feedback_models
from assets.irpo import ad_responses, click_feedback, conversion_feedback, deployed_ad_llm
from assets.logged_feedback import logged_clicks, logged_responses
from assets.partitions import irpo_key
from assets.pctr_model import pctr_model
from assets.preference_pairs import preference_pairs
from assets.refused_days import GUARDS
from llm_auction.profiles import load_profile
from llm_auction.profiles.schema import Profile
from resources.dbt import dbt_resource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from resources.warehouse import Warehouse
from tests.click_log_warehouse import day_of, edit, write_days
from tests.evaluated_market import RuleEngineResource, publish
from tests.llm_auction.pctr.simulated_market import bundled_ads, simulate

PARTITION = {"arm": "production", "iteration": "01"}
ADS = [ad.ad_id for ad in bundled_ads()]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two days of traffic of the base model, and a market whose questions are others than those of the log."""
    store = ModelStore(data_dir=str(tmp_path))
    publish(store, "base", 0.5)
    markets = {number: simulate(200, seed=number, users=8, label=f"day{number}") for number in range(2)}
    write_days(tmp_path, markets, store.resolve("ad_llm", "base").version)
    question = {"query_id": "q0", "user_id": "u0", "text": "What?", "category": "Things", "split": "train"}
    Lake(data_dir=str(tmp_path)).write("user_queries", pl.DataFrame([question]))
    return tmp_path


def run(
    data_dir: Path, assets: Sequence[Any], iteration: str = "01", refused: str | None = None
) -> ExecuteInProcessResult:
    directory = str(data_dir)
    profile = ProfileResource(profile="smoke", overrides={"pctr.max_epochs": "1"})
    with DagsterInstance.ephemeral() as instance:
        if refused:
            instance.report_runless_asset_event(
                AssetCheckEvaluation(GUARDS[0].asset_key, GUARDS[0].name, False, {}, partition=refused)
            )
        return materialize(
            list(assets),
            instance=instance,
            partition_key=irpo_key("production", iteration),
            resources={
                "lake": Lake(data_dir=directory),
                "warehouse": Warehouse(data_dir=directory),
                "model_store": ModelStore(data_dir=directory),
                "engine": RuleEngineResource(data_dir=directory, profile=profile),
                "user_model": UserModelResource(profile=profile, data_dir=directory),
                "profile": profile,
                "dbt": dbt_resource(),
            },
            raise_on_error=False,
        )


def production(**fields: str) -> Profile:
    return load_profile("smoke", {f"feedback.{name}": value for name, value in fields.items()}).of_arm("production")


def logged(data_dir: Path, without: Sequence[date] = (), **fields: str) -> pl.DataFrame:
    warehouse = Warehouse(data_dir=str(data_dir))
    version = ModelStore(data_dir=str(data_dir)).resolve("ad_llm", "base").version
    return logged_responses(warehouse, ADS, production(**fields), version, "production", "01", without=without)


@pytest.mark.slow
def test_an_iteration_from_logs_goes_the_way_of_all_arms(data_dir: Path) -> None:
    chain = [
        deployed_ad_llm,
        ad_responses,
        click_feedback,
        conversion_feedback,
        feedback_models,
        pctr_model,
        preference_pairs,
    ]
    result = run(data_dir, [*chain, *feedback_checks.FEEDBACK_CHECKS])
    assert result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert not [check for check in failed if check.severity.value == "ERROR"]
    lake, warehouse = Lake(data_dir=str(data_dir)), Warehouse(data_dir=str(data_dir))
    impressions = warehouse.query("select clicked, bid from fct_ad_impressions where arm = 'production'")
    real = warehouse.query("select clicked from fct_click_log_impressions")
    assert (impressions.height, impressions["clicked"].sum()) == (real.height, real["clicked"].sum())
    assert set(impressions["bid"]) == {12, 13} or set(impressions["bid"]) == {13}
    assert warehouse.query("select count(*) as n from rejected_feedback_events")["n"][0] == 0
    fitted = ModelStore(data_dir=str(data_dir)).resolve("pctr", "production/01")
    assert fitted.metadata["day"] == day_of(1), "the last day that it learnt from"

    pairs = lake.read("preference_pairs", PARTITION)
    asked = warehouse.query("select distinct query_id, query from fct_click_log_responses")
    assert set(pairs["query_id"]) == set(asked["query_id"])
    assert pairs["bids"].list.explode().n_unique() > 20, "bids are drawn anew"
    text_of = dict(asked.iter_rows())
    for one in preference_sets(lake, PARTITION, production()):
        assert text_of[one.query_id] in one.messages[-1]["content"]


def test_the_next_iteration_waits_for_users_of_its_model(data_dir: Path) -> None:
    result = run(data_dir, [deployed_ad_llm], "02")
    assert not result.success, "the gate: there is no model of iteration 01"
    publish(ModelStore(data_dir=str(data_dir)), "production/01", 0.9)
    result = run(data_dir, [deployed_ad_llm, ad_responses], "02")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    message = str(failure.step_failure_data.error)
    assert "the click log has no answers of Ad-LLM" in message and "models promote ad_llm" in message


def test_an_iteration_leaves_out_the_days_that_a_guard_refused(data_dir: Path) -> None:
    result = run(data_dir, [deployed_ad_llm, ad_responses], refused=day_of(1))
    assert result.success
    assert result.asset_materializations_for_node("ad_responses")[0].metadata["days_left_out"].value == day_of(1)
    stamps = Lake(data_dir=str(data_dir)).read("ad_responses", PARTITION)["ts"]
    assert {stamp.date() for stamp in stamps} == {date.fromisoformat(day_of(0))}


def test_days_robots_and_departed_ads_bound_what_is_taken(data_dir: Path) -> None:
    whole = logged(data_dir)
    first = logged(data_dir, last_day=day_of(0))
    assert 0 < first.height < whole.height
    assert {stamp.date() for stamp in first["ts"]} == {date.fromisoformat(day_of(0))}
    assert first.equals(logged(data_dir, without=[date.fromisoformat(day_of(1))]))
    assert logged(data_dir, max_logged_answers="7").height == 7
    assert logged(data_dir, max_logged_answers="7").equals(logged(data_dir, max_logged_answers="7"))
    robot, clicked, departed = whole["response_id"][:3]
    edit(data_dir, f"update fct_click_log_responses set is_excluded = true where response_id = '{robot}'")
    edit(data_dir, f"update fct_click_log_impressions set is_excluded = true where response_id = '{clicked}'")
    edit(
        data_dir,
        "update fct_click_log_responses set candidate_ad_ids = list_append(candidate_ad_ids, 'gone') "
        f"where response_id = '{departed}'",
    )
    left = logged(data_dir)
    assert set(whole["response_id"]) - set(left["response_id"]) == {robot, clicked, departed}
    clicks = logged_clicks(Warehouse(data_dir=str(data_dir)), production(), left)
    assert set(clicks["response_id"]) <= set(left["response_id"])
    assert clicks["event_id"].n_unique() == clicks.height
