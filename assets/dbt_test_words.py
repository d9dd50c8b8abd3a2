"""dbt's data tests in words: what a check says in the UI, where its name alone is `accepted_range_fct_..._bid__0`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def words_for(test: Mapping[str, Any]) -> str:
    """What a data test of the manifest asks of its table, as one sentence of Markdown.

    Raises:
        ValueError: a kind of test that has no sentence here yet.
    """
    kind, arguments = test["test_metadata"]["name"], test["test_metadata"]["kwargs"]
    column = f"`{arguments.get('column_name')}`"
    match kind:
        case "accepted_range":
            words = f"{column} is {_range(arguments.get('min_value'), arguments.get('max_value'))}."
        case "accepted_values":
            words = f"{column} is one of {_names(arguments['values'])}."
        case "relationships":
            words = f"Every {column} is found in `{_table(arguments['to'])}.{arguments['field']}`."
        case "not_null":
            words = f"No nulls in {column}."
        case "unique":
            words = f"One row for each {column}."
        case "no_nulls":
            words = f"No nulls in {_names(arguments['columns'])}."
        case "unique_combination":
            words = f"One row for each {_names(arguments['columns'])}."
        case "expression_holds":
            words = f"`{arguments['expression']}` holds in every row."
        case _:
            raise ValueError(f"data test {test['name']}: {kind} has no words in {__name__}")
    return words


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"between {low} and {high}"


def _names(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _table(reference: str) -> str:
    return reference.split("'")[1]
