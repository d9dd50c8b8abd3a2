"""The schedule and the sensors under Dagster's real daemon: a night, a late file, a failed run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from assets.frames import ads_to_frame
from resources.lake import Lake
from tests.generated_logs import small_audience, write_log
from tests.workflows.stubs.deployment import ROOT, Deployment
from workflows.schedules import NIGHT_TAG, newest_day

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

NEWEST = newest_day(datetime.now(UTC))
BEFORE = NEWEST - timedelta(days=1)
START = """
mutation Start($schedule: ScheduleSelector!, $sensor: SensorSelector!) {
  startSchedule(scheduleSelector: $schedule) { __typename ... on PythonError { message } }
  startSensor(sensorSelector: $sensor) { __typename ... on PythonError { message } }
}
"""

STOP = """
mutation Stop($id: String!) { stopRunningSchedule(id: $id) { __typename ... on PythonError { message } } }
"""
STATES = """
query States($repository: RepositorySelector!) {
  schedulesOrError(repositorySelector: $repository) { ... on Schedules { results { scheduleState { id } } } }
}
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A log of two days, without a file of the day before the newest, which comes late."""
    folder = tmp_path / "data"
    write_log(tmp_path / "log", first_day=BEFORE, days=2, answers_per_day=100)
    lake = Lake(data_dir=str(folder))
    lake.write("ad_catalog", ads_to_frame(small_audience().ads))
    late = tmp_path / "log" / BEFORE.isoformat() / "part-7.jsonl.gz"
    shutil.move(late, tmp_path / late.name)
    return folder


@pytest.fixture
def deployment(data_dir: Path, tmp_path: Path) -> Iterator[Deployment]:
    home = data_dir / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    environment = {
        "DATA_DIR": str(data_dir),
        "DAGSTER_HOME": str(home),
        "LLM_AUCTION_PROFILE": "smoke",
        "LLM_AUCTION__CLICK_LOG__SOURCE": f"{tmp_path}/log/{{date}}/*",
        "LLM_AUCTION__CLICK_LOG__START_DATE": (NEWEST - timedelta(days=20)).isoformat(),
        "LLM_AUCTION__CLICK_LOG__MAX_REJECTED_SHARE": "0.5",
        "LLM_AUCTION__SCHEDULE__CRON": "* * * * *",
    }
    started = Deployment(data_dir, "tests.workflows.stubs.production", environment)
    try:
        yield started
    finally:
        started.close()


def night_runs(deployment: Deployment) -> list[dict[str, Any]]:
    return deployment.runs(tags=[{"key": NIGHT_TAG, "value": NEWEST.isoformat()}])


def stop_the_schedule(deployment: Deployment) -> None:
    states = deployment.query(STATES, repository=deployment.repository)["schedulesOrError"]["results"]
    answer = deployment.query(STOP, id=states[0]["scheduleState"]["id"])["stopRunningSchedule"]
    assert answer["__typename"] == "ScheduleStateResult", answer


def ended(deployment: Deployment, count: int) -> list[dict[str, Any]]:
    """The runs of the night so far, in the order in which they started, once there are `count` and all have ended."""
    runs = deployment.finished_runs(count, 900, tags=[{"key": NIGHT_TAG, "value": NEWEST.isoformat()}])
    return sorted(runs, key=lambda run: run["startTime"])


def days_of(runs: list[dict[str, Any]]) -> list[date]:
    return [date.fromisoformat(run["tags"]["dagster/partition"]) for run in runs]


def test_a_night_a_late_file_and_a_failed_run(deployment: Deployment, data_dir: Path, tmp_path: Path) -> None:
    lake = Lake(data_dir=str(data_dir))
    taken_in = deployment.backfill(["click_log"], [BEFORE.isoformat()])
    deployment.finished_runs(1, 300, tags=[{"key": "dagster/backfill", "value": taken_in}])
    files_before = lake.read("click_log_files", {"day": BEFORE.isoformat()}).height

    # The night: both days are taken in, then the earlier one is modelled, then the newest is modelled and refitted on.
    schedule = {**deployment.repository, "scheduleName": "nightly_reward_refit"}
    sensor = {**deployment.repository, "sensorName": "click_log_deliveries"}
    answer = deployment.query(START, schedule=schedule, sensor=sensor)
    assert {part["__typename"] for part in answer.values()} == {"ScheduleStateResult", "Sensor"}, answer
    deployment.wait_for(lambda: night_runs(deployment), 150, "the schedule to tick")
    night = ended(deployment, 4)
    # Not while its tick is evaluated: the daemon would write the state back that it had read before. While a night is
    # under way the schedule starts no other.
    stop_the_schedule(deployment)
    assert {run["status"] for run in night} == {"SUCCESS"}
    assert days_of(night) == [BEFORE, NEWEST, BEFORE, NEWEST]
    for earlier, later in pairwise(night):
        assert earlier["endTime"] <= later["startTime"]
    assert (data_dir / "ran.txt").read_text().splitlines() == [
        f"fct_click_log_impressions {BEFORE}",
        f"fct_click_log_impressions {NEWEST}",
        f"nightly_pctr_model {NEWEST}",
        f"reward_model_champion {NEWEST}",
    ]

    # A file comes late, and the modelling of its day fails: the file is taken in, the failure is told. Nothing is
    # started twice.
    (data_dir / f"fail-{BEFORE}").touch()
    shutil.move(tmp_path / "part-7.jsonl.gz", tmp_path / "log" / BEFORE.isoformat())
    late = ended(deployment, 6)[4:]
    assert days_of(late) == [BEFORE, BEFORE]
    assert [run["status"] for run in late] == ["SUCCESS", "FAILURE"]
    assert lake.read("click_log_files", {"day": BEFORE.isoformat()}).height == files_before + 1

    alert_file = data_dir / "alerts" / f"{late[1]['runId']}.json"
    deployment.wait_for(alert_file.exists, 300, "the alert")
    alert = json.loads(alert_file.read_text())
    assert alert["partition"] == BEFORE.isoformat()
    assert alert["summary"].endswith("the scripted modelling was told to fail")
    assert len(night_runs(deployment)) == 6


ALL = ["click_log", "fct_click_log_impressions", "nightly_pctr_model", "reward_model_champion"]


def test_a_backfill_of_days_and_one_that_fails(deployment: Deployment, data_dir: Path, tmp_path: Path) -> None:
    """From the UI, twice at once; one day can't be modelled at first."""
    days = [str(NEWEST - timedelta(days=number)) for number in (2, 1, 0)]
    shutil.rmtree(tmp_path / "log")
    write_log(tmp_path / "log", first_day=date.fromisoformat(days[0]), days=3, answers_per_day=60)
    (data_dir / f"fail-{days[1]}").touch()
    first = deployment.backfill(ALL, days)
    again = deployment.backfill(["click_log"], days)
    # A run a day takes it in and models it; refits and promotions are runs of their own, once what they read is there.
    of_first = deployment.finished_runs(5, 900, tags=[{"key": "dagster/backfill", "value": first}])
    of_again = deployment.finished_runs(3, 900, tags=[{"key": "dagster/backfill", "value": again}])
    assert {run["status"] for run in of_again} == {"SUCCESS"}
    failed = [run["tags"]["dagster/partition"] for run in of_first if run["status"] != "SUCCESS"]
    assert failed == [days[1]]
    lake = Lake(data_dir=str(data_dir))
    assert {partition["day"] for partition in lake.partitions("click_log_files", "day")} == set(days)
    ran = [line.split() for line in (data_dir / "ran.txt").read_text().splitlines()]
    assert sorted(day for name, day in ran if name == "fct_click_log_impressions") == days
    assert [day for name, day in ran if name in ALL[2:]] == days[:1] * 2, "none with a hole in its window"
    for day in days:
        of_day = [run for run in (*of_first, *of_again) if run["tags"]["dagster/partition"] == day]
        apart = sorted(of_day, key=lambda run: run["startTime"])
        assert all(earlier["endTime"] <= later["startTime"] for earlier, later in pairwise(apart)), day

    (data_dir / f"fail-{days[1]}").unlink()
    mended = deployment.backfill(ALL[1:], days[1:])
    runs = deployment.finished_runs(6, 900, tags=[{"key": "dagster/backfill", "value": mended}])
    assert {run["status"] for run in runs} == {"SUCCESS"}
    ran = [line.split() for line in (data_dir / "ran.txt").read_text().splitlines()]
    assert [day for name, day in ran if name == "reward_model_champion"] == days, "one after the other"
