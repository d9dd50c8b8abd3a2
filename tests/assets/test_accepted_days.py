"""A day that is unusual for a good reason: named once, no run of its guards refuses it for a bound again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, materialize

from assets.click_log import click_log
from assets.click_log_checks import click_log_expectations
from assets.click_log_figures import trailing_days
from assets.known_ads import remember_ads
from assets.verdicts import blocking_checks, is_refused
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from tests.click_logs import NOON, answer, catalog_frame, click, ingest, json_lines, write_log

DAY = NOON.date().isoformat()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The three days before it, of 19 answers each."""
    lake = Lake(data_dir=str(tmp_path / "data"))
    lake.write("ad_catalog", catalog_frame())
    remember_ads(lake)
    for day in trailing_days(DAY, 3):
        deliver(lake, day, 19)
    return lake


def deliver(lake: Lake, day: str, answers: int) -> str:
    """Take in a day of so many answers; returns the source of its files."""
    ts = NOON - (NOON.date() - date.fromisoformat(day))
    events = [answer(f"{day}-{number}", (), ts) for number in range(answers)]
    log = json_lines([*events, click("nobody", ts=ts)])
    source = write_log(Path(lake.data_dir).parent / "log", {"log.jsonl": log}, day)
    ingest(lake, source, day)
    return source


def guard(lake: Lake, instance: DagsterInstance, accepted: str, answers: int = 4) -> AssetCheckEvaluation:
    """Take the day in and judge it, in a run of its own, as every night of the lookback does."""
    overrides = {"click_log.source": deliver(lake, DAY, answers), "click_log_guards.accepted_days": accepted}
    result = materialize(
        [click_log, click_log_expectations],
        partition_key=DAY,
        instance=instance,
        resources={
            "lake": lake,
            "profile": ProfileResource(profile="smoke", overrides=overrides),
            "model_store": ModelStore(data_dir=lake.data_dir),
        },
        raise_on_error=False,
    )
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation


def test_an_accepted_day_stays_accepted_whichever_run_judges_it(lake: Lake) -> None:
    guards = blocking_checks([click_log_expectations])
    yesterday = str(NOON.date() - timedelta(days=1))
    with DagsterInstance.ephemeral() as instance:
        assert not guard(lake, instance, "").passed
        assert is_refused(instance, guards, DAY)
        for _ in range(2):
            verdict = guard(lake, instance, f"{yesterday}, {DAY}")
            assert not is_refused(instance, guards, DAY)
        assert verdict.description is not None
        assert verdict.description.startswith("let pass by click_log_guards.accepted_days: 1 of ")
        assert "(volume_ratio): 0.25, expected 0.5 to 2" in verdict.description
        guard(lake, instance, yesterday)
        assert is_refused(instance, guards, DAY), "another day is accepted"


def test_an_accepted_day_is_refused_for_what_no_bound_decides(lake: Lake) -> None:
    with DagsterInstance.ephemeral() as instance:
        verdict = guard(lake, instance, DAY, answers=0)
        assert not verdict.passed
        assert verdict.description is not None
        assert "at least one answer was delivered" in verdict.description
