"""The schedule and the sensor of the production path, evaluated as Dagster does: which runs they ask for, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    RepositoryDefinition,
    RunRequest,
    SkipReason,
)

from llm_auction.click_log.files import ClickLogSourceError, find_files
from resources.profile import ProfileResource
from tests.workflows.production import NEWEST, Production, asked, day
from workflows.schedules import NIGHT_TAG, newest_day, nightly_reward_refit


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> RepositoryDefinition:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATA_DIR", str(tmp_path_factory.mktemp("data")))
        from workflows.definitions import gather

        return gather().get_repository_def()


class Delivered(Production):
    """Files come, and what an ingestion leaves of them is written by hand."""

    settings: ClassVar[Mapping[str, str]] = {
        "click_log.start_date": day(30).isoformat(),
        "schedule.lookback_days": "2",
    }

    def deliver(self, before: int, name: str = "part-0.jsonl") -> Path:
        path = self.folder / "log" / day(before).isoformat() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
        return path

    def take_in(self, before: int) -> None:
        """Leave in the lake what an ingestion of the day says of its files."""
        files = find_files(self.profile.get().click_log.source, day(before).isoformat())
        frame = pl.DataFrame({"file": [f.name for f in files], "fingerprint": [f.fingerprint for f in files]})
        self.lake.write("click_log_files", frame, {"day": day(before).isoformat()})


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as made:
        yield made


@pytest.fixture
def production(tmp_path: Path, repository: RepositoryDefinition, instance: DagsterInstance) -> Delivered:
    instance.run_storage.wipe()
    return Delivered(tmp_path, repository, instance)


def test_a_night_takes_in_what_is_there_then_models_then_refits(production: Delivered) -> None:
    for before in (1, 2, 3):
        production.deliver(before)
        production.take_in(before)
    requests = production.night()
    assert asked(requests) == [
        ("ingest", 2), ("ingest", 1), ("ingest", 0), ("model", 3), ("model", 2), ("model", 1), ("refit", 0),
    ]  # fmt: skip
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities == sorted(priorities, reverse=True)
    assert {request.tags[NIGHT_TAG] for request in requests} == {NEWEST.isoformat()}
    assert [request.run_key for request in production.night()] == [request.run_key for request in requests]


def test_a_missed_day_whose_files_have_come_is_made_up_for(production: Delivered) -> None:
    for before in (1, 2, 3):
        production.deliver(before)
    for before in (1, 3):
        production.take_in(before)
    assert asked(production.night()) == [
        ("ingest", 2), ("ingest", 1), ("ingest", 0), ("model", 3), ("refit", 2), ("model", 1), ("refit", 0),
    ]  # fmt: skip


def test_the_first_night_has_one_day(production: Delivered) -> None:
    assert asked(production.night()) == [("refit", 0)]


def test_the_parts_of_a_night_share_the_graph_among_them(production: Delivered) -> None:
    production.deliver(1)
    production.take_in(1)
    requests = production.night()
    parts = [part for part, _ in asked(requests)]
    assets = {part: _names(request) for part, request in zip(parts, requests, strict=True)}
    assert assets["ingest"] == {"click_log"}
    assert {"click_log", "nightly_pctr_model", "reward_model_champion"} <= assets["refit"] - assets["model"]


def _names(request: RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection or []}


def test_cron_and_time_zone_are_the_profiles() -> None:
    assert nightly_reward_refit.cron_schedule == "0 4 * * *"
    assert nightly_reward_refit.execution_timezone == "UTC"


@pytest.mark.parametrize(
    ("now", "newest"), [("2026-03-05T04:00:00+00:00", "2026-03-04"), ("2026-03-05T00:30:00+01:00", "2026-03-03")]
)
def test_the_newest_day_is_the_last_that_has_ended_in_utc(now: str, newest: str) -> None:
    assert newest_day(datetime.fromisoformat(now)) == date.fromisoformat(newest)


def test_a_late_file_is_taken_in_once_it_keeps_still(production: Delivered) -> None:
    for before in (2, 3, 4):
        production.deliver(before)
        production.take_in(before)
    first = production.look(None)
    production.deliver(3, "late.jsonl")
    second = production.look(first.cursor)
    third = production.look(second.cursor)
    fourth = production.look(third.cursor)
    assert [asked(found.run_requests) for found in (first, second, third, fourth)] == [
        [], [], [("ingest", 3), ("model", 4), ("model", 3)], [],
    ]  # fmt: skip
    assert f"files of {day(3)} still arrive" in str(second.skip_reason)


def test_the_newest_day_is_left_to_its_night_and_watched_from_then_on(production: Delivered) -> None:
    production.deliver(0)
    cursor = None
    for _ in range(2):
        found = production.look(cursor)
        assert not found.run_requests
        cursor = found.cursor
    # What the sensor starts, late days to restate for one, begins no night.
    production.begin_night(DagsterRunStatus.SUCCESS, by_schedule=False)
    for _ in range(2):
        found = production.look(cursor)
        assert not found.run_requests
        cursor = found.cursor
    production.begin_night(DagsterRunStatus.FAILURE)
    for expected in ([], [("refit", 0)], []):
        found = production.look(cursor)
        assert asked(found.run_requests) == expected
        cursor = found.cursor


def test_looking_opens_no_file(production: Delivered, monkeypatch: pytest.MonkeyPatch) -> None:
    production.deliver(1)
    monkeypatch.setattr("llm_auction.click_log.files.LogFile.open", None)
    assert "still arrive" in str(production.look(None).skip_reason)


def test_the_sensor_waits_while_a_night_is_under_way(production: Delivered) -> None:
    production.begin_night(DagsterRunStatus.STARTED)
    found = production.tick()
    assert isinstance(found, SkipReason)
    assert "under way" in str(found.skip_message)


def test_the_night_does_not_wait_for_what_the_sensor_started(production: Delivered) -> None:
    production.deliver(0)
    production.begin_night(DagsterRunStatus.STARTED, by_schedule=False)
    assert asked(production.night()) == [("refit", 0)]


def test_no_night_before_the_first_day(production: Delivered) -> None:
    production.settings = {"click_log.start_date": day(-1).isoformat()}
    assert production.night() == []


def test_a_night_waits_for_the_one_before(production: Delivered) -> None:
    production.begin_night(DagsterRunStatus.STARTED)
    assert production.night() == []


def test_a_source_that_is_wrong_fails_the_tick_of_the_sensor(production: Delivered) -> None:
    """And the run of the newest day, which the night asks for all the same."""
    wrong = ProfileResource(profile="smoke", overrides={"click_log.source": "nowhere://log/{date}/*.jsonl"})
    with pytest.raises(ClickLogSourceError, match="can't be listed"):
        production.tick(profile=wrong)


def test_without_a_source_the_sensor_says_so(production: Delivered) -> None:
    found = production.tick(profile=ProfileResource(profile="smoke"))
    assert isinstance(found, SkipReason)
    assert "click_log.source" in str(found.skip_message)
