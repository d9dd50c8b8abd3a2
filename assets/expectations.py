"""Great Expectations suites as asset checks: one YAML file a table in `assets/suites`, one result that people can read.

A suite has three parts: `schema` (column -> polars type), `rows` (expectations on every row) and `figures`
(expectations on numbers that describe the partition as a whole, one row of them). Expectations are written as Great
Expectations writes them; `{$PARAMETER: name}` is filled in from the profile.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml
from dagster import AssetCheckResult, AssetCheckSeverity, MetadataValue

from assets.metadata import rounded
from assets.preview import literal

if TYPE_CHECKING:
    import pandas as pd

SUITES = Path(__file__).parent / "suites"
PARTS = {"table", "schema", "rows", "figures"}
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")
# Expectations that explain themselves; others have a description in their suite, or show their type.
WORDS = {
    "expect_column_values_to_not_be_null": "no nulls",
    "expect_column_values_to_be_unique": "unique",
    "expect_compound_columns_to_be_unique": "unique together",
    "expect_column_values_to_be_in_set": "known values",
    "expect_column_values_to_be_between": "within bounds",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """The expectations on one table."""

    table: str
    schema: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    figures: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation and what was found."""

    passed: bool
    expectation: str
    column: str
    expected: str
    observed: str
    is_bound: bool = False  # the profile says what is expected, not the suite alone


def load_suite(table: str, folder: Path = SUITES) -> Suite:
    """The suite of a table.

    Raises:
        ValueError: the file is missing or not a suite; the message names the file and the entry.
    """
    path = folder / f"{table}.yml"
    if not path.exists():
        raise ValueError(f"no suite of expectations at {path}")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != PARTS or content["table"] != table:
        raise ValueError(f"{path}: a suite has exactly the parts {sorted(PARTS)}, and table: {table}")
    for part in ("rows", "figures"):
        for number, entry in enumerate(content[part], start=1):
            if not {"type", "kwargs"} <= set(entry) <= {"type", "kwargs", "description"}:
                raise ValueError(f"{path}: entry {number} of {part} needs type and kwargs (and may have a description)")
    return Suite(table, content["schema"], content["rows"], content["figures"])


def schema_verdicts(suite: Suite, frame: pl.DataFrame) -> list[Verdict]:
    """The columns that are missing or of another type than the suite's schema says; one verdict where there is none.

    Columns beyond the schema are welcome.
    """
    found = {name: str(dtype) for name, dtype in frame.schema.items()}
    wrong = [
        Verdict(False, "column of this type", name, dtype, found.get(name, "no such column"))
        for name, dtype in suite.schema.items()
        if found.get(name) != dtype
    ]
    as_said = Verdict(True, "columns and types of the schema", "all", f"{len(suite.schema)} columns", "as expected")
    return wrong or [as_said]


def verdicts(
    suite: Suite, frame: pl.DataFrame, figures: Mapping[str, float], parameters: Mapping[str, Any]
) -> list[Verdict]:
    """Judge the rows of one partition and its figures.

    Raises:
        ValueError: an expectation can't be evaluated, because the suite names a column, figure, parameter or
            expectation that does not exist.
    """
    # Long texts that no expectation looks at are not copied to pandas.
    judged = {name for entry in suite.rows for name in _columns(entry["kwargs"])}
    missing = judged - set(frame.columns) | {
        name for entry in suite.figures for name in _columns(entry["kwargs"])
    } - set(figures)
    if missing:
        raise ValueError(f"suite {suite.table}: no column or figure named {', '.join(sorted(missing))}")
    rows = frame.select(sorted(judged)).to_pandas()
    one_row = pl.DataFrame({name: [value] for name, value in figures.items()}).to_pandas()
    of_figures = _validate(suite.table, suite.figures, one_row, parameters)
    return [
        *(replace(verdict, observed=f"{figures[verdict.column]:.6g}") for verdict in of_figures),
        *_validate(suite.table, suite.rows, rows, parameters),
    ]


def check_result(
    suite: Suite,
    judged: Sequence[Verdict],
    figures: Mapping[str, float],
    partition: str,
    accepted_by: str | None = None,
) -> AssetCheckResult:
    """The verdicts as a check: failed ones first in a Markdown table, and the figures as numbers to plot.

    Where a setting accepts the partition, `accepted_by`, broken bounds of the profile are reported and fail nothing.
    """
    failed = [verdict for verdict in judged if not verdict.passed]
    passed = all(verdict.is_bound and accepted_by is not None for verdict in failed)
    summary = f"{len(judged)} expectations hold"
    if failed:
        reasons = "; ".join(
            f"{item.expectation} ({item.column}): {item.observed}, expected {item.expected}" for item in failed[:3]
        )
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        summary = f"{len(failed)} of {len(judged)} expectations on {suite.table} failed: {reasons}{more}"
        if passed:
            summary = f"let pass by {accepted_by}: {summary}"
    return AssetCheckResult(
        passed=passed,
        severity=AssetCheckSeverity.ERROR,
        description=summary,
        metadata={
            "expectations": MetadataValue.md(markdown_table(judged)),
            "partition": partition,
            "evaluated": len(judged),
            "failed": len(failed),
            **{name: MetadataValue.float(rounded(float(value))) for name, value in figures.items()},
        },
    )


def markdown_table(judged: Sequence[Verdict]) -> str:
    """One row an expectation, the failed ones first."""
    lines = ["| verdict | expectation | column | expected | observed |", "| --- | --- | --- | --- | --- |"]
    for item in sorted(judged, key=lambda verdict: verdict.passed):
        verdict = "✅ holds" if item.passed else "❌ **fails**"
        cells = map(literal, (item.expectation, item.column, item.expected, item.observed))
        lines.append("| " + " | ".join((verdict, *cells)) + " |")
    return "\n".join(lines)


@cache
def _great_expectations() -> tuple[Any, Any]:
    """The library, quiet and offline, and one context in memory for the whole process.

    It takes seconds to import: nothing but a running check may do so.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return great_expectations, context


def _validate(
    name: str, entries: Sequence[Mapping[str, Any]], frame: pd.DataFrame, parameters: Mapping[str, Any]
) -> list[Verdict]:
    if not entries:
        return []
    gx, context = _great_expectations()
    expectations = [
        {"type": entry["type"], "kwargs": entry["kwargs"], "meta": {"number": number}}
        for number, entry in enumerate(entries)
    ]
    suite = gx.ExpectationSuite(name=name, expectations=expectations)
    # The library only logs what it can't understand, and then judges the rest.
    understood = {expectation.meta["number"] for expectation in suite.expectations}
    for number, entry in enumerate(entries):
        if number not in understood:
            raise ValueError(f"suite {name}: Great Expectations does not understand {entry['type']} {entry['kwargs']}")
    try:
        batch = context.data_sources.pandas_default.read_dataframe(frame)
        outcome = batch.validate(suite, expectation_parameters=dict(parameters))
    except Exception as error:
        raise ValueError(f"suite {name} can't be evaluated: {error}") from error
    # Results come in an order of their own.
    results = sorted(outcome.results, key=lambda result: result.expectation_config.meta["number"])
    return [_verdict(name, entry, result) for entry, result in zip(entries, results, strict=True)]


def _verdict(name: str, entry: Mapping[str, Any], result: Any) -> Verdict:
    if not result.result and not result.success:
        raise ValueError(f"suite {name}: {entry['type']} can't be evaluated: {result.exception_info}")
    kwargs = {
        key: value
        for key, value in result.expectation_config.kwargs.items()
        if key not in COLUMN_ARGUMENTS and key != "batch_id" and value is not None
    }
    return Verdict(
        passed=bool(result.success),
        expectation=entry.get("description", WORDS.get(entry["type"], entry["type"])),
        column=", ".join(_columns(entry["kwargs"])) or "-",
        expected=_expected(kwargs),
        observed=_observed(result.result),
        is_bound=any(isinstance(value, dict) and "$PARAMETER" in value for value in entry["kwargs"].values()),
    )


def _columns(kwargs: Mapping[str, Any]) -> list[str]:
    named: list[str] = []
    for argument in COLUMN_ARGUMENTS:
        value = kwargs.get(argument, [])
        named.extend([value] if isinstance(value, str) else value)
    return named


def _expected(kwargs: Mapping[str, Any]) -> str:
    if "min_value" in kwargs or "max_value" in kwargs:
        low, high = (kwargs.get(bound) for bound in ("min_value", "max_value"))
        if low is None:
            return f"at most {high:g}"
        return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    if "or_equal" in kwargs:
        return "the first at least the second"
    if "value_set" in kwargs:
        return ", ".join(map(str, kwargs["value_set"]))
    return ", ".join(f"{key}: {value}" for key, value in kwargs.items()) or "-"


def _observed(result: Mapping[str, Any]) -> str:
    if "observed_value" in result:
        return str(result["observed_value"])
    unexpected, total = result.get("unexpected_count", 0), result.get("element_count", 0)
    if not unexpected:
        return f"{total} rows"
    examples = [str(value) for value in result.get("partial_unexpected_list", [])[:3]]
    shown = ", ".join(example for example in examples if example not in {"nan", "None", "NaT"})
    return f"{unexpected} of {total} rows fail" + (f": {shown}" if shown else "")
