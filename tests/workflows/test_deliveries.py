"""Which days have files to take in: once they keep still, once only, and not those that a night has taken in."""

from __future__ import annotations

from datetime import date

import pytest

from workflows.deliveries import Listing, look

MONDAY, TUESDAY = date(2026, 3, 9), date(2026, 3, 10)


def nothing(day: date) -> Listing | None:
    return None


def test_new_files_start_something_once_they_keep_still_and_then_no_more() -> None:
    first = look(None, {MONDAY: {"a": "1"}}, nothing, {})
    assert (first.ready, first.settling) == ((), (MONDAY,))
    growing = look(first.cursor, {MONDAY: {"a": "1", "b": "1"}}, nothing, {})
    assert (growing.ready, growing.settling) == ((), (MONDAY,))
    still = look(growing.cursor, {MONDAY: {"b": "1", "a": "1"}}, nothing, {})
    assert (still.ready, still.settling) == ((MONDAY,), ())
    again = look(still.cursor, {MONDAY: {"a": "1", "b": "1"}}, nothing, {})
    assert (again.ready, again.settling) == ((), ())


def test_what_a_night_has_taken_in_starts_nothing_until_a_file_is_added_or_changed() -> None:
    files = {"a": "1"}
    cursor = look(None, {MONDAY: files}, lambda day: files, {}).cursor
    for changed in ({"a": "1", "late": "1"}, {"a": "2"}):
        moved = look(cursor, {MONDAY: changed}, lambda day: files, {})
        assert moved.settling == (MONDAY,)
        assert look(moved.cursor, {MONDAY: changed}, lambda day: files, {}).ready == (MONDAY,)


def test_days_are_looked_at_by_themselves_and_without_files_there_is_nothing_to_do() -> None:
    first = look(None, {MONDAY: {"a": "1"}, TUESDAY: {}}, nothing, {})
    second = look(first.cursor, {MONDAY: {"a": "1"}, TUESDAY: {"b": "1"}}, nothing, {})
    assert (second.ready, second.settling) == ((MONDAY,), (TUESDAY,))
    third = look(second.cursor, {TUESDAY: {"b": "1"}}, nothing, {})
    assert third.ready == (TUESDAY,)
    assert MONDAY.isoformat() not in third.cursor


def test_late_events_about_a_day_start_it_once_and_others_once_more() -> None:
    first = look(None, {}, nothing, {TUESDAY: "a", MONDAY: "b"})
    assert first.late == (MONDAY, TUESDAY)
    second = look(first.cursor, {}, nothing, {TUESDAY: "a", MONDAY: "more"})
    assert second.late == (MONDAY,)
    assert look(second.cursor, {}, nothing, {MONDAY: "more"}).late == ()


@pytest.mark.parametrize("cursor", ["", "no json", "[]", '{"files": {"2026-03-09": 3}}', '{"2026-03-09": ["a", "b"]}'])
def test_a_damaged_memory_is_an_empty_one(cursor: str) -> None:
    assert look(cursor, {MONDAY: {"a": "1"}}, nothing, {}).settling == (MONDAY,)


def test_the_key_is_that_of_the_look() -> None:
    first = look(None, {MONDAY: {"a": "1"}}, nothing, {})
    assert first.key == look(None, {MONDAY: {"a": "1"}}, nothing, {}).key
    assert first.key != look(first.cursor, {MONDAY: {"a": "1"}}, nothing, {}).key
