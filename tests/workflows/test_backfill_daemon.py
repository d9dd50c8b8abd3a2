"""A backfill of days of real logs under Dagster's real daemon, as from the UI."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from assets.frames import ads_to_frame
from resources.lake import Lake
from tests.generated_logs import small_audience, write_log
from tests.workflows.stubs.deployment import Deployment
from tests.workflows.stubs.production_deployment import production_deployment
from workflows.schedules import newest_day

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

NEWEST = newest_day(datetime.now(UTC))
DAYS = [str(NEWEST - timedelta(days=number)) for number in (2, 1, 0)]
ALL = ["click_log", "fct_click_log_impressions", "nightly_pctr_model", "reward_model_champion"]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write_log(tmp_path / "log", first_day=NEWEST - timedelta(days=2), days=3, answers_per_day=60)
    Lake(data_dir=str(folder)).write("ad_catalog", ads_to_frame(small_audience().ads))
    return folder


@pytest.fixture
def deployment(data_dir: Path, tmp_path: Path) -> Iterator[Deployment]:
    with production_deployment(data_dir, tmp_path / "log", NEWEST) as started:
        yield started


def test_a_backfill_of_days_and_one_that_fails(deployment: Deployment, data_dir: Path) -> None:
    """From the UI, twice at once; one day can't be modelled at first."""
    (data_dir / f"fail-{DAYS[1]}").touch()
    first = deployment.backfill(ALL, DAYS)
    again = deployment.backfill(["click_log"], DAYS)
    # A run a day takes it in and models it; refits and promotions are runs of their own, once what they read is there.
    of_first = deployment.finished_runs(5, 900, tags=[{"key": "dagster/backfill", "value": first}])
    of_again = deployment.finished_runs(3, 900, tags=[{"key": "dagster/backfill", "value": again}])
    assert {run["status"] for run in of_again} == {"SUCCESS"}
    failed = [run["tags"]["dagster/partition"] for run in of_first if run["status"] != "SUCCESS"]
    assert failed == [DAYS[1]]
    lake = Lake(data_dir=str(data_dir))
    assert {partition["day"] for partition in lake.partitions("click_log_files", "day")} == set(DAYS)
    ran = [line.split() for line in (data_dir / "ran.txt").read_text().splitlines()]
    assert sorted(day for name, day in ran if name == "fct_click_log_impressions") == DAYS
    assert [day for name, day in ran if name in ALL[2:]] == DAYS[:1] * 2, "none with a hole in its window"
    for day in DAYS:
        of_day = [run for run in (*of_first, *of_again) if run["tags"]["dagster/partition"] == day]
        apart = sorted(of_day, key=lambda run: run["startTime"])
        assert all(earlier["endTime"] <= later["startTime"] for earlier, later in pairwise(apart)), day

    (data_dir / f"fail-{DAYS[1]}").unlink()
    mended = deployment.backfill(ALL[1:], DAYS[1:])
    runs = deployment.finished_runs(6, 900, tags=[{"key": "dagster/backfill", "value": mended}])
    assert {run["status"] for run in runs} == {"SUCCESS"}
    ran = [line.split() for line in (data_dir / "ran.txt").read_text().splitlines()]
    assert [day for name, day in ran if name == "reward_model_champion"] == DAYS, "one after the other"
