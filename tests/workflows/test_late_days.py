"""Conversions that come weeks after their answer reach its day: found when they are taken in, and modelled once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from dagster import DagsterInstance, DagsterRunStatus, materialize

from assets.click_log import click_log
from assets.click_log_models import click_log_models
from resources.click_log import deliveries_to_model, modelled, remember_modelled
from resources.dbt import dbt_resource
from resources.warehouse import Warehouse
from tests.click_logs import Event, answer, catalog_frame, click, conversion, ingest, json_lines, write_log
from tests.workflows.production import NEWEST, Production, asked, day
from workflows.late_days import late_days

pytestmark = pytest.mark.slow
TODAY = str(NEWEST)
LATE = 20  # days before the newest: the answer that a conversion of the newest day is about


def noon(before: int) -> datetime:
    return datetime.combine(day(before), time(12), UTC)


class Modelled(Production):
    """Takes days in and models them for real."""

    settings: ClassVar[Mapping[str, str]] = {
        "click_log.start_date": day(40).isoformat(),
        "schedule.restated_after_days": f"[4, {LATE}, 29]",
    }

    def late(self, nights_later: int = 0) -> list[int]:
        """The days to restate on the newest day, or some nights later, in days before the newest."""
        night = NEWEST + timedelta(days=nights_later)
        return [(NEWEST - found).days for found in late_days(self.lake, night, self.profile.get())]

    def take_in(self, before: int, events: list[Event], file: str = "log.jsonl") -> None:
        write_log(self.folder / "log", {file: json_lines(events)}, str(day(before)))
        resources = {"profile": self.profile, "lake": self.lake}
        assert materialize(
            [click_log], partition_key=str(day(before)), resources=resources, instance=self.instance
        ).success

    def take_for_modelled(self, before: int) -> None:
        """As if the day's models had just been run."""
        config = self.profile.get().click_log
        remember_modelled(self.lake, day(before), deliveries_to_model(self.lake, day(before), config))

    def model(self, before: int) -> None:
        resources = {"profile": self.profile, "lake": self.lake, "dbt": dbt_resource()}
        assert materialize(
            [click_log_models], partition_key=str(day(before)), resources=resources, instance=self.instance
        ).success


@pytest.fixture
def production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modelled]:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    from workflows.definitions import gather

    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        production = Modelled(tmp_path, gather().get_repository_def(), instance)
        production.lake.write("ad_catalog", catalog_frame())
        yield production


def test_a_conversion_that_comes_twenty_days_late_reaches_the_tables_of_its_answer(production: Modelled) -> None:
    production.take_in(LATE, [answer("r0", ts=noon(LATE)), click("r0", ts=noon(LATE) + timedelta(seconds=9))])
    assert production.late() == [LATE]  # taken in, never modelled
    production.take_for_modelled(LATE)
    assert production.late() == []
    cursor = production.look(None).cursor

    production.take_in(0, [answer("r1", ts=noon(0)), conversion("r0", ts=noon(0), value=5.0)])
    assert production.late() == [LATE]
    assert asked(production.look(cursor).run_requests) == []  # before its night, which will restate it as well
    production.begin_night(DagsterRunStatus.SUCCESS)
    found = production.look(cursor)
    assert asked(found.run_requests) == [("model", LATE)]
    assert asked(production.look(found.cursor).run_requests) == []  # once only
    assert asked(production.night()) == [("ingest", 0), ("model", LATE), ("refit", 0)]

    production.model(LATE)
    worth = "select conversions, conversion_value from fct_click_log_impressions where response_id = 'r0'"
    assert Warehouse(data_dir=production.lake.data_dir).query(worth).rows() == [(1, 5.0)]
    assert production.late() == []
    assert asked(production.night()) == [("refit", 0)]

    # The same files again change nothing; one more conversion does.
    production.take_in(0, [answer("r1", ts=noon(0))], "again.jsonl")
    assert production.late() == []
    production.take_in(0, [conversion("r0", ts=noon(0) + timedelta(hours=1))], "more.jsonl")
    assert production.late() == [LATE]


def test_what_a_delivery_is_about_is_bounded_by_the_windows(production: Modelled) -> None:
    """Beyond them, or about answers that nobody gave, nothing starts."""
    for before in (35, 31, 29, 10, 4, 3):
        production.take_in(before, [answer(f"r{before}", ts=noon(before))])
    events = [conversion(f"r{before}", ts=noon(0)) for before in (35, 31, 29, 3, 99)]
    clicks = [click(f"r{before}", ts=noon(2)) for before in (10, 4)]
    production.take_in(0, [*events, *clicks, conversion("r30", ts=noon(0))])
    assert production.late() == [29, 4, 3]
    table = production.lake.read("click_log_answer_days", {"day": str(NEWEST)})
    assert table.select("answered_on", "answers", "clicks", "conversions").rows() == [
        (day(29), 0, 0, 1), (day(4), 0, 1, 0), (day(3), 0, 0, 1),
    ]  # fmt: skip


def test_a_day_waits_for_its_next_restatement_and_the_last_is_when_nothing_more_can_come(production: Modelled) -> None:
    production.take_in(6, [answer("r0", ts=noon(6)), click("r0", ts=noon(6) + timedelta(seconds=9))])
    production.take_for_modelled(6)
    production.take_in(0, [conversion("r0", ts=noon(0))])
    # six days old now; restated at 4 (nothing had come then), 20 and 29, and at 30 + 3 + 1
    assert [nights for nights in range(40) if production.late(nights)] == list(range(14, 40))
    production.take_in(1, [conversion("r0", ts=noon(1))])
    production.take_for_modelled(6)
    assert not any(production.late(nights) for nights in range(40))

    production.take_in(38, [answer("r1", ts=noon(38))])
    production.take_in(7, [conversion("r1", ts=noon(8))])  # 31 days after its answers: between 29 and the last
    assert [nights for nights in range(-12, 3) if production.late(nights)] == list(range(-4, 3))


def test_a_delivery_of_before_the_last_restatement_restates_at_once(production: Modelled) -> None:
    production.take_in(6, [answer("r0", ts=noon(6))])
    production.take_for_modelled(6)
    production.take_in(2, [conversion("r0", ts=noon(2))])
    assert production.late() == [6]  # delivered four days after its answers


def test_a_backfill_that_was_ahead_of_a_click_is_mended_by_the_nights(production: Modelled) -> None:
    production.take_in(5, [answer("r0", ts=noon(5))])
    production.take_for_modelled(5)
    production.take_in(4, [click("r0", ts=noon(4))])
    assert production.late() == [5]


def test_answers_of_other_days_than_that_of_their_delivery_reach_their_day(production: Modelled) -> None:
    """After midnight, or of a clock that is ahead of it; once modelled, neither comes up again."""
    production.take_in(6, [answer("early", ts=datetime.combine(day(5), time(0, 1), UTC))])
    production.take_in(5, [answer("r0", ts=noon(5))])
    production.take_in(4, [answer("late", ts=datetime.combine(day(5), time(23, 59), UTC))])
    assert production.late() == [5]
    production.take_for_modelled(5)
    assert production.late() == []


def test_events_that_come_in_while_a_day_is_modelled_are_not_taken_for_seen(
    production: Modelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    production.take_in(LATE, [answer("r0", ts=noon(LATE)), click("r0", ts=noon(LATE) + timedelta(seconds=9))])

    def build(*_: object) -> Iterator[object]:
        source = write_log(production.folder / "log", {"log.jsonl": json_lines([conversion("r0", ts=noon(0))])}, TODAY)
        ingest(production.lake, source, TODAY)
        return iter(())

    monkeypatch.setattr("assets.click_log_models.build_partition", build)
    production.model(LATE)
    assert modelled(production.lake, day(LATE)).keys() == {day(LATE)}
    assert production.late() == [LATE]
