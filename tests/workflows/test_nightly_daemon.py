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
from tests.workflows.stubs.deployment import Deployment
from tests.workflows.stubs.production_deployment import production_deployment
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
    with production_deployment(data_dir, tmp_path / "log", NEWEST) as started:
        yield started


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
