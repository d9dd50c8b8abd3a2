"""dbt's data tests in words. That every test of the project has some is checked with the definitions."""

from __future__ import annotations

from typing import Any

import pytest

from assets.dbt_test_words import words_for


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("accepted_range", {"column_name": "bid", "min_value": 0}, "`bid` is at least 0."),
        ("accepted_range", {"column_name": "bid", "max_value": 9}, "`bid` is at most 9."),
        ("accepted_range", {"column_name": "ctr", "min_value": 0, "max_value": 1}, "`ctr` is between 0 and 1."),
        ("accepted_values", {"column_name": "split", "values": ["a", "b"]}, "`split` is one of `a`, `b`."),
        (
            "relationships",
            {"column_name": "ad_id", "to": "ref('stg_ads')", "field": "ad_id"},
            "Every `ad_id` is found in `stg_ads.ad_id`.",
        ),
        ("unique_combination", {"columns": ["day", "file"]}, "One row for each `day`, `file`."),
    ],
)
def test_a_check_says_what_it_asks_for(kind: str, arguments: dict[str, Any], words: str) -> None:
    assert words_for({"name": "some_test", "test_metadata": {"name": kind, "kwargs": arguments}}) == words


def test_a_new_kind_of_test_asks_for_its_words() -> None:
    with pytest.raises(ValueError, match="some_test: magic"):
        words_for({"name": "some_test", "test_metadata": {"name": "magic", "kwargs": {}}})
