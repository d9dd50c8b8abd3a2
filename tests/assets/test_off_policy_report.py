"""The off-policy report on a log of policies whose probabilities are known: three possible answers, two ads."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, ExecuteInProcessResult

from assets.refused_days import GUARDS
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.warehouse import Warehouse
from tests.known_policies import ANSWERS, BETTER, BIDS, CLICKS, change, report

PENALTY = 4.0


def error_of(result: ExecuteInProcessResult) -> str:
    assert not result.success
    return " ".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)


def test_a_better_candidate_is_estimated(known_log: Path, instance: DagsterInstance) -> None:
    result = report(known_log, "better", instance)
    assert result.success
    lake, version = (
        Lake(data_dir=str(known_log)),
        ModelStore(data_dir=str(known_log)).resolve("ad_llm", "better").version,
    )
    table = lake.read("off_policy_report", {"candidate": version})
    assert table.height == 8
    assert set(table["outcome"]) == {"revenue", "reward"}
    earned = sum(p * c * b for p, c, b in zip(BETTER, CLICKS, (0.0, BIDS[0], BIDS[1]), strict=True))
    truth = {"revenue": earned, "reward": earned - PENALTY * (1 - BETTER[0])}
    for row in table.iter_rows(named=True):
        assert row["low"] <= truth[row["outcome"]] <= row["high"], row
        assert row["gain"] == pytest.approx(row["value"] - row["logged"])
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert metadata["answers_used"].value == metadata["answers_read"].value == ANSWERS
    assert 100 < metadata["effective_samples"].value < 200 == metadata["users"].value
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_a_click_that_a_filter_excluded_earns_nothing(known_log: Path, instance: DagsterInstance) -> None:
    """Its answer counts all the same: to leave it out would choose answers by what came of them."""
    clicked = f"revenue = {BIDS[1]} and response_id < 'r3'"
    sums = f"select sum(revenue), sum(revenue) filter ({clicked}) from fct_click_log_responses"
    total, excluded = Warehouse(data_dir=str(known_log)).query(sums).row(0)
    assert 0 < excluded < total
    change(known_log, f"update fct_click_log_impressions set is_excluded = true where {clicked}")
    result = report(known_log, "better", instance)
    version = ModelStore(data_dir=str(known_log)).resolve("ad_llm", "better").version
    table = Lake(data_dir=str(known_log)).read("off_policy_report", {"candidate": version})
    (logged,) = set(table.filter(pl.col("outcome") == "revenue")["logged"])
    assert logged == pytest.approx((total - excluded) / ANSWERS)
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert metadata["answers_used"].value == ANSWERS


def test_a_report_says_what_it_rests_on(known_log: Path, instance: DagsterInstance) -> None:
    result = report(known_log, "better", instance)
    lake, store = Lake(data_dir=str(known_log)), ModelStore(data_dir=str(known_log))
    base, reward_model = store.resolve("ad_llm", "base"), store.resolve("pctr", "nightly/2026-01-04")
    table = lake.read("off_policy_report", {"candidate": store.resolve("ad_llm", "better").version})
    basis = table.select("first_day", "last_day", "policies", "temperature", "top_p", "top_k", "reward_model")
    days = (date(2026, 1, 5), date(2026, 1, 6))
    assert set(basis.with_columns(pl.col("policies").list.join(",")).rows()) == {
        (*days, base.version, 0.7, 0.8, 20, reward_model.version)
    }
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert (metadata["policies"].value, metadata["reward_model"].value) == (base.version, reward_model.version)


def test_a_candidate_too_far_from_the_log_gets_no_estimate(known_log: Path, instance: DagsterInstance) -> None:
    change(known_log, "delete from fct_click_log_responses where hash(response_id) % 4 > 0")
    assert "effective samples for this candidate" in error_of(report(known_log, "far", instance))
    assert not list((known_log / "lake").glob("off_policy_report/*"))


def test_a_log_that_its_policy_does_not_reproduce_is_refused(known_log: Path, instance: DagsterInstance) -> None:
    change(known_log, "update fct_click_log_responses set logprob = logprob - 1 where hash(response_id) % 3 = 0")
    text = error_of(report(known_log, "better", instance))
    assert "of 600 logged answers are not what their policy gives" in text
    assert "max_unreproduced_share allows 10%" in text


def test_a_policy_that_is_not_in_the_store_is_named(known_log: Path, instance: DagsterInstance) -> None:
    change(known_log, "update fct_click_log_responses set policy_version = 'v0'")
    assert "no version v0 of ad_llm" in error_of(report(known_log, "better", instance))


def test_answers_with_ads_that_left_the_catalog_are_left_out(known_log: Path, instance: DagsterInstance) -> None:
    change(
        known_log,
        "update fct_click_log_responses set candidate_ad_ids = ['a0', 'gone', 'a1'] where response_id in ('r1', 'r2')",
    )
    result = report(known_log, "better", instance)
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert (metadata["answers_read"].value, metadata["answers_used"].value) == (ANSWERS, ANSWERS - 2)


def test_a_day_that_a_guard_refused_is_left_out(known_log: Path, instance: DagsterInstance) -> None:
    guard = GUARDS[0]
    verdict = AssetCheckEvaluation(guard.asset_key, guard.name, False, {}, partition="2026-01-06")
    instance.report_runless_asset_event(verdict)
    change(known_log, "update fct_click_log_responses set policy_version = 'broken' where day = '2026-01-06'")
    change(known_log, "update fct_click_log_responses set user_id = response_id")
    result = report(known_log, "better", instance)
    assert result.success
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert metadata["answers_read"].value == ANSWERS / 2
    assert (metadata["window"].value, metadata["days_left_out"].value) == ("2026-01-05 to 2026-01-06", "2026-01-06")


def test_a_window_without_answers_is_a_clear_error(known_log: Path, instance: DagsterInstance) -> None:
    change(known_log, "delete from fct_click_log_responses")
    assert "fct_click_log_responses is empty" in error_of(report(known_log, "better", instance))
