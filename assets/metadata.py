"""What every asset shows in the UI: row counts, column schemas, plots."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import MetadataValue, TableColumn, TableSchema

from assets.columns import COLUMNS

if TYPE_CHECKING:
    import altair as alt


def table_metadata(frame: pl.DataFrame, descriptions: Mapping[str, str] | None = None) -> dict[str, MetadataValue]:
    """Row count and column schema of a table, under the names that the Dagster UI knows.

    `descriptions` say what the columns hold, where `COLUMNS` doesn't.
    """
    words = {**COLUMNS, **(descriptions or {})}
    columns = [TableColumn(name, str(dtype), description=words.get(name)) for name, dtype in frame.schema.items()]
    return {
        "dagster/row_count": MetadataValue.int(frame.height),
        "dagster/column_schema": MetadataValue.table_schema(TableSchema(columns)),
    }


def plot_metadata(chart: alt.TopLevelMixin) -> MetadataValue:
    """A chart as a PNG inside the page: it needs no network and no file."""
    import vl_convert

    png = vl_convert.vegalite_to_png(chart.to_json(), scale=1.5)
    return MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")


def numbers_metadata(metrics: Mapping[str, Any]) -> dict[str, MetadataValue]:
    """Metrics as numbers that people can read and the UI plots over partitions; what is no number is left out."""
    return {
        name: MetadataValue.int(value) if isinstance(value, int) else MetadataValue.float(rounded(value))
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def rounded(value: float) -> float:
    """The number to the six significant digits that a page or a log should show."""
    return float(f"{value:.6g}")


def mean_of(values: pl.Series) -> float:
    """The mean of numbers or booleans; 0 of none."""
    return float(values.cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]
