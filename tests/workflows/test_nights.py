"""The order of a night: everything is taken in before any day is modelled, and the newest day is refitted on last."""

from __future__ import annotations

from datetime import date, timedelta

from workflows.nights import NightRun, days_until, plan_night

NEWEST = date(2026, 3, 10)


def day(before: int) -> date:
    return NEWEST - timedelta(days=before)


def names(runs: list[NightRun]) -> list[tuple[str, int]]:
    return [(run.part, (NEWEST - run.day).days) for run in runs]


def test_a_usual_night() -> None:
    known = {day(before) for before in range(1, 8)}
    night = plan_night({NEWEST, day(1), day(2)}, known, 2, refitted={NEWEST})
    assert names(night) == [
        ("ingest", 2), ("ingest", 1), ("ingest", 0),
        ("model", 4), ("model", 3), ("model", 2), ("model", 1),
        ("refit", 0),
    ]  # fmt: skip


def test_the_first_night_has_nothing_to_look_back_at() -> None:
    assert names(plan_night({NEWEST}, set(), 3, refitted={NEWEST})) == [("refit", 0)]


def test_late_files_of_an_old_day_change_it_and_the_days_before_but_are_not_refitted_on() -> None:
    known = {day(before) for before in range(8)}
    assert names(plan_night({day(3)}, known, 1, refitted=set())) == [("ingest", 3), ("model", 4), ("model", 3)]


def test_missed_days_are_refitted_on_in_their_order() -> None:
    assert names(plan_night({NEWEST, day(2)}, {day(1), day(3)}, 1, refitted={NEWEST, day(2)})) == [
        ("ingest", 2), ("ingest", 0), ("model", 3), ("refit", 2), ("model", 1), ("refit", 0),
    ]  # fmt: skip


def test_a_day_that_was_never_taken_in_is_not_modelled() -> None:
    assert names(plan_night({NEWEST}, {day(2)}, 3, refitted={NEWEST})) == [("ingest", 0), ("model", 2), ("refit", 0)]


def test_days_that_late_events_are_about_are_modelled_once_and_in_their_order() -> None:
    known = {day(before) for before in (1, 2, 20, 25)}
    late = {day(1), day(20), day(30)}
    night = plan_night({NEWEST}, known, 1, refitted={NEWEST}, late=late)
    assert names(night) == [("ingest", 0), ("model", 20), ("model", 1), ("refit", 0)]
    assert names(plan_night(set(), known, 1, refitted=set(), late=late)) == [("model", 20), ("model", 1)]


def test_nothing_delivered_is_nothing_to_do() -> None:
    assert plan_night(set(), {day(1)}, 3, refitted=set()) == []


def test_days_end_at_the_newest_and_begin_with_the_log() -> None:
    assert list(days_until(NEWEST, 3, date(2026, 1, 1))) == [day(2), day(1), day(0)]
    assert list(days_until(NEWEST, 3, day(1))) == [day(1), day(0)]
    assert list(days_until(NEWEST, 0, day(1))) == []
