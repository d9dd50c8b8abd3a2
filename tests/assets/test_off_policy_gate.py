"""What an off-policy report must say before a candidate may be deployed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from assets.off_policy_gate import refuse_unproven
from resources.lake import Lake
from resources.model_store import ModelStore
from tests.known_policies import change, promote, publish, report

TODAY = date(2026, 1, 8)


def prove(known_log: Path, candidate: str, today: date = TODAY) -> None:
    lake, store = Lake(data_dir=str(known_log)), ModelStore(data_dir=str(known_log))
    refuse_unproven(lake, store, store.resolve("ad_llm", candidate).version, max_age_days=14, today=today)


def test_a_better_candidate_may_be_deployed(known_log: Path, instance: DagsterInstance) -> None:
    report(known_log, "better", instance)
    prove(known_log, "better")


def test_a_report_on_an_old_log_proves_nothing(known_log: Path, instance: DagsterInstance) -> None:
    report(known_log, "better", instance)
    prove(known_log, "better", date(2026, 1, 20))
    with pytest.raises(ValueError, match=r"ended on 2026-01-06, 15 days ago, and off_policy.max_report_age_days .* 14"):
        prove(known_log, "better", date(2026, 1, 21))


def test_a_report_on_the_log_of_another_than_the_deployed_one_proves_nothing(
    known_log: Path, instance: DagsterInstance
) -> None:
    store = ModelStore(data_dir=str(known_log))
    report(known_log, "better", instance)
    promote(store, "ad_llm", "worse")
    base, worse = store.resolve("ad_llm", "base").version, store.resolve("ad_llm", "worse").version
    with pytest.raises(ValueError, match=f"compares it with {base}, which wrote its log, and {worse} is deployed"):
        prove(known_log, "better")
    change(
        known_log, f"update fct_click_log_responses set policy_version = '{worse}' where response_id in ('r0', 'r1')"
    )
    report(known_log, "better", instance)
    with pytest.raises(ValueError, match=f"compares it with {', '.join(sorted((base, worse)))}, which wrote its log"):
        prove(known_log, "better")


def test_a_report_that_does_not_say_what_it_rests_on_proves_nothing(known_log: Path) -> None:
    """As those of earlier versions."""
    version = ModelStore(data_dir=str(known_log)).resolve("ad_llm", "better").version
    Lake(data_dir=str(known_log)).write("off_policy_report", pl.DataFrame({"passed": [True]}), {"candidate": version})
    with pytest.raises(ValueError, match="does not say what log it rests on"):
        prove(known_log, "better")


@pytest.mark.parametrize("learnt", [None, {}, {"day": "2026-01-20"}])
def test_without_a_reward_model_from_before_the_window_nothing_is_doubly_robust(
    known_log: Path, instance: DagsterInstance, learnt: dict[str, str] | None
) -> None:
    store = ModelStore(data_dir=str(known_log))
    if learnt is not None:
        publish(store, "pctr", "production/01", "learnt from this log", arm="production", **learnt)
        promote(store, "pctr", "production/01")
    change(known_log, "update fct_click_log_responses set day = day - 1")
    result = report(known_log, "better", instance)
    table = Lake(data_dir=str(known_log)).read(
        "off_policy_report", {"candidate": store.resolve("ad_llm", "better").version}
    )
    assert set(table["estimator"]) == {"ips", "self_normalised", "clipped"}
    verdict = {check.check_name: check for check in result.get_asset_check_evaluations()}["not_worse_than_the_log"]
    assert not verdict.passed and "no reward model that served before 2026-01-0" in str(verdict.description)
    with pytest.raises(ValueError, match="not doubly robust, since no reward model that served before"):
        prove(known_log, "better")


def test_a_worse_candidate_is_not_deployed(known_log: Path, instance: DagsterInstance) -> None:
    result = report(known_log, "worse", instance)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["not_worse_than_the_log"].passed
    assert checks["log_covers_the_candidate"].passed
    with pytest.raises(ValueError, match="speaks against Ad-LLM"):
        prove(known_log, "worse")
    with pytest.raises(ValueError, match="no off-policy estimate of Ad-LLM"):
        prove(known_log, "far")
