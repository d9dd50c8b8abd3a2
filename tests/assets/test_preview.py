"""Tables in the UI show texts of others as they are."""

from __future__ import annotations

import polars as pl

from assets.preview import preview


def test_texts_of_others_are_no_markup_and_lists_are_not_escaped_twice() -> None:
    frame = pl.DataFrame({"title": ["<img src=x> | [a](b)"], "ids": [["a_b", "c"]], "score": [0.123456]})
    row = str(preview(frame).value).splitlines()[2]
    assert row == r"| \<img src=x\> \| \[a\](b) | a\_b, c | 0.1235 |"


def test_long_texts_are_cut_and_empty_tables_say_so() -> None:
    assert "xxx..." in str(preview(pl.DataFrame({"text": ["x" * 500]})).value)
    assert preview(pl.DataFrame({"text": []})).value == "no rows"
