"""Suites of expectations: complete, true to the tables they guard, and their verdicts readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from assets.expectations import (
    SUITES,
    Suite,
    Verdict,
    check_result,
    load_suite,
    markdown_table,
    schema_verdicts,
    verdicts,
)
from assets.feedback_events import CLICK_COLUMNS, RESPONSE_COLUMNS
from resources.dbt_project import dbt_manifest

GUARDED = ("ad_responses", "click_feedback", "fct_ad_impressions", "fct_responses")
# Days of real logs may be big: their suites judge figures alone, which DuckDB computes.
GUARDED_DAYS = ("click_log", "agg_click_log_days", "fct_click_log_impressions", "fct_click_log_responses")
POLARS_TYPES = {
    "varchar": "String",
    "varchar[]": "List(String)",
    "bigint": "Int64",
    "bigint[]": "List(Int64)",
    "double": "Float64",
    "boolean": "Boolean",
    "timestamp with time zone": "Datetime(time_unit='us', time_zone='UTC')",
}


def suite_of(rows: list[dict[str, Any]], figures: list[dict[str, Any]] | None = None) -> Suite:
    return Suite("things", {"a": "Int64", "b": "String"}, rows, figures or [])


def test_every_suite_is_readable_and_guards_a_table() -> None:
    assert {path.stem for path in SUITES.glob("*.yml")} == {*GUARDED, *GUARDED_DAYS}
    for table in (*GUARDED, *GUARDED_DAYS):
        suite = load_suite(table)
        assert suite.schema
        assert suite.figures
        assert bool(suite.rows) == (table in GUARDED)


def test_the_schemas_are_those_of_the_lake() -> None:
    for table, columns in (("ad_responses", RESPONSE_COLUMNS), ("click_feedback", CLICK_COLUMNS)):
        assert load_suite(table).schema == {name: str(dtype) for name, dtype in pl.Schema(columns.schema).items()}


def test_the_schemas_are_those_of_the_contracts_in_dbt() -> None:
    nodes = json.loads(dbt_manifest().read_text(encoding="utf-8"))["nodes"]
    for table in ("fct_ad_impressions", "fct_responses"):
        columns = nodes[f"model.llm_auction.{table}"]["columns"].values()
        assert load_suite(table).schema == {column["name"]: POLARS_TYPES[column["data_type"]] for column in columns}


def test_rows_and_figures_are_judged_with_the_parameters_of_the_profile() -> None:
    suite = suite_of(
        [
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "a", "max_value": {"$PARAMETER": "most"}},
            },
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "b"}},
            {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["a", "b"]}},
        ],
        [
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "rate", "min_value": 0.5},
                "description": "often enough",
            }
        ],
    )
    frame = pl.DataFrame({"a": [1, 2, 2], "b": ["x", None, "z"]})
    assert verdicts(suite, frame, {"rate": 0.25}, {"most": 1}) == [
        Verdict(False, "often enough", "rate", "at least 0.5", "0.25"),
        Verdict(False, "within bounds", "a", "at most 1", "2 of 3 rows fail: 2, 2", is_bound=True),
        Verdict(False, "no nulls", "b", "-", "1 of 3 rows fail"),
        Verdict(True, "unique together", "a, b", "-", "3 rows"),
    ]


def test_an_empty_partition_can_be_judged() -> None:
    suite = suite_of([{"type": "expect_column_values_to_be_unique", "kwargs": {"column": "a"}}])
    frame = pl.DataFrame(schema={"a": pl.Int64, "b": pl.String})
    assert [verdict.passed for verdict in verdicts(suite, frame, {}, {})] == [True]


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"type": "expect_column_values_to_be_unique", "kwargs": {"column": "nowhere"}}, "no column or figure named"),
        ({"type": "expect_magic", "kwargs": {"column": "a"}}, "expect_magic"),
        (
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "a", "max_value": {"$PARAMETER": "no"}},
            },
            "things",
        ),
    ],
)
def test_a_suite_that_cannot_be_evaluated_is_an_error_not_a_verdict(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        verdicts(suite_of([entry]), pl.DataFrame({"a": [1], "b": ["x"]}), {}, {})


def test_columns_that_are_missing_or_of_another_type_are_named() -> None:
    found = schema_verdicts(suite_of([]), pl.DataFrame({"a": ["1"], "more": [1]}))
    assert found == [
        Verdict(False, "column of this type", "a", "Int64", "String"),
        Verdict(False, "column of this type", "b", "String", "no such column"),
    ]
    [good] = schema_verdicts(suite_of([]), pl.DataFrame({"a": [1], "b": ["x"], "more": [1]}))
    assert good.passed


def test_the_table_shows_failures_first_and_survives_any_text() -> None:
    table = markdown_table([Verdict(True, "one", "a", "-", "fine"), Verdict(False, "two", "b", "-", "a | b\n<i>c")])
    lines = table.splitlines()
    assert lines[2] == "| ❌ **fails** | two | b | - | a \\| b \\<i\\>c |"
    assert lines[3] == "| ✅ holds | one | a | - | fine |"


def test_the_check_says_what_failed_and_carries_the_figures() -> None:
    failed = Verdict(False, "clicks per ad", "ctr", ".. 0.5", "0.75")
    result = check_result(suite_of([]), [failed, Verdict(True, "one", "a", "-", "fine")], {"ctr": 0.75}, "oracle|01")
    assert not result.passed
    assert result.description == "1 of 2 expectations on things failed: clicks per ad (ctr): 0.75, expected .. 0.5"
    assert result.metadata["ctr"].value == 0.75
    assert result.metadata["failed"].value == 1


def test_an_accepted_partition_fails_for_no_bound_of_the_profile_but_reports_it() -> None:
    bound = Verdict(False, "clicks per ad", "ctr", "at most 0.5", "0.75", is_bound=True)
    key = Verdict(False, "unique", "a", "-", "2 of 3 rows fail")
    assert not check_result(suite_of([]), [bound], {}, "2026-01-09").passed
    result = check_result(suite_of([]), [bound], {}, "2026-01-09", "accepted_days")
    assert result.passed
    assert result.description is not None
    assert result.description.startswith("let pass by accepted_days: 1 of 1 expectations on things failed: clicks per")
    assert result.metadata["failed"].value == 1
    assert not check_result(suite_of([]), [bound, key], {}, "2026-01-09", "accepted_days").passed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"table": "others"}, "table: things"),
        ({"surprise": 1}, "exactly the parts"),
        ({"rows": [{"type": "expect_column_to_exist"}]}, "entry 1 of rows needs type and kwargs"),
    ],
)
def test_a_wrong_suite_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    content = {"table": "things", "schema": {}, "rows": [], "figures": [], **change}
    (tmp_path / "things.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ValueError, match=named):
        load_suite("things", tmp_path)


def test_a_missing_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no suite of expectations at .*things\.yml"):
        load_suite("things", tmp_path)
