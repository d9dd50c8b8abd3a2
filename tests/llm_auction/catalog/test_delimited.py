"""One badly quoted row of a CSV or TSV costs that row, and its line number is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_auction.catalog.delimited import read_delimited


def rows(tmp_path: Path, text: str, delimiter: str) -> list[tuple[int, list[object] | str]]:
    """(line, fields or problem) of every row."""
    path = tmp_path / "feed"
    path.write_text(text, encoding="utf-8")
    return [(row.number, row.problem or list(row.values.values())) for row in read_delimited(path, delimiter)]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_quotes_that_belong_and_quotes_that_are_inches(tmp_path: Path, delimiter: str) -> None:
    text = 'id;title\n1;"30"" shelf"\n2;30" shelf\n3;""\n4;"two\nlines"\n\n5;end'.replace(";", delimiter)
    assert rows(tmp_path, text, delimiter) == [
        (2, ["1", '30" shelf']),
        (3, ["2", '30" shelf']),
        (4, ["3", ""]),
        (5, ["4", "two\nlines"]),
        (8, ["5", "end"]),
    ]


def test_a_stray_quote_costs_one_row(tmp_path: Path) -> None:
    body = "".join(f"{number},fine {number}\n" for number in range(3, 400))
    found = rows(tmp_path, 'id,title\n1,fine\n2,"never closed\n' + body, ",")
    assert found[1] == (3, "opens a quote that never closes")
    assert len(found) == 399
    assert found[2:4] == [(4, ["3", "fine 3"]), (5, ["4", "fine 4"])]


def test_a_stray_quote_that_the_next_one_closes_costs_two_rows_at_most(tmp_path: Path) -> None:
    found = rows(tmp_path, 'id,title\n1,"open\n2,fine\n3,"also open\n4,fine\n', ",")
    assert [number for number, fields in found if isinstance(fields, list)] == [3, 5]
    assert [number for number, fields in found if isinstance(fields, str)] == [2, 4]


def test_rows_of_another_width_say_so(tmp_path: Path) -> None:
    assert rows(tmp_path, "id,title\n1\n2,a,b\n3,c\n", ",") == [
        (2, "has 1 fields, the header 2"),
        (3, "has 3 fields, the header 2"),
        (4, ["3", "c"]),
    ]
    assert rows(tmp_path, 'id\ttitle\n1\n2\t"a\tb"\n', "\t") == [
        (2, "has 1 fields, the header 2"),
        (3, ["2", "a\tb"]),
    ]


def test_a_quote_that_closes_too_early_says_so(tmp_path: Path) -> None:
    assert "can't be split into fields" in rows(tmp_path, 'id,title\n1,"a" b\n', ",")[0][1]
    assert rows(tmp_path, 'id\ttitle\n1\t"Big" lamp\n', "\t") == [(2, ["1", '"Big" lamp'])]
    assert rows(tmp_path, 'id\ttitle\n1\t"Big lamp\n2\tfine\n', "\t") == [(2, ["1", '"Big lamp']), (3, ["2", "fine"])]
