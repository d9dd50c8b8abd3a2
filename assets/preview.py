"""The first rows of a table as Markdown, for the UI."""

from __future__ import annotations

import polars as pl
from dagster import MarkdownMetadataValue, MetadataValue

_WIDTH = 80  # characters of a cell


def preview(frame: pl.DataFrame, rows: int = 8) -> MarkdownMetadataValue:
    """A Markdown table of the first rows; long cells are cut, and nothing in a cell is taken for markup."""
    if frame.is_empty():
        return MetadataValue.md("no rows")
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in frame.head(rows).iter_rows()]
    return MetadataValue.md("\n".join(lines))


def literal(text: str) -> str:
    """The text as Markdown that shows just that, in one cell of a table: texts of ads, users and logs are no markup."""
    for character in "\\|<>*_`[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def _cell(value: object) -> str:
    text = _text(value)
    return literal(text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}...")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_text, value)) if isinstance(value, list) else " ".join(str(value).split())
