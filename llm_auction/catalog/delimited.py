"""CSV and TSV, read so that one badly quoted row costs that row and not the rest of the file.

Feeds mix two habits: spreadsheet quoting (`"30"" shelf"`) and plain fields in which a quote is only a quote
(`30" shelf`). A TSV line with the right number of tabs is therefore taken field by field, unless its last field opens
a quote that a later line closes; everything else goes through the `csv` module, record by record.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from llm_auction.catalog.columns import listed
from llm_auction.catalog.rows import SourceError, SourceRow

_LONGEST_RECORD = 200  # lines that a quoted field may span before its opening quote counts as stray


def read_delimited(path: Path, delimiter: str) -> Iterator[SourceRow]:
    """The rows of a CSV or TSV file with a header line.

    Raises:
        SourceError: no header, or a header that names a column twice.
        UnicodeDecodeError: not UTF-8 text.
    """
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    start = next((index for index, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise SourceError(f"{path} is empty")
    end, header = _record(lines, start, delimiter, width=None)
    if isinstance(header, str):
        raise SourceError(f"{path}: the header line {header}")
    columns = [name.strip() for name in header]
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise SourceError(f"{path}: the header names a column twice: {listed(repeated)}")
    index = end
    while index < len(lines):
        if not lines[index].strip():
            index += 1
            continue
        end, fields = _record(lines, index, delimiter, len(columns))
        raw = "\n".join(lines[index:end])
        if isinstance(fields, str):
            yield SourceRow(str(path), index + 1, {}, raw, fields)
        elif len(fields) != len(columns):
            yield SourceRow(str(path), index + 1, {}, raw, f"has {len(fields)} fields, the header {len(columns)}")
        else:
            yield SourceRow(str(path), index + 1, dict(zip(columns, fields, strict=True)), raw)
        index = end


def _record(lines: Sequence[str], start: int, delimiter: str, width: int | None) -> tuple[int, list[str] | str]:
    """The record that starts on line `start`: the line after it, and its fields, or what is wrong with it."""
    plain = lines[start].split("\t") if delimiter == "\t" else []
    fits = bool(plain) and width in (None, len(plain))
    if fits and not (plain[-1].startswith('"') and plain[-1].count('"') % 2):
        return start + 1, [_unquoted(field) for field in plain]
    problem = "opens a quote that never closes"
    for end in range(start + 1, min(start + _LONGEST_RECORD, len(lines)) + 1):
        try:
            fields = next(csv.reader(["\n".join(lines[start:end])], delimiter=delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                continue  # a quoted field goes on in the next line
            if end == start + 1:
                problem = f"can't be split into fields: {error}"
            break
        if end > start + 1 and len(fields) != width:
            break  # a stray quote has swallowed the following lines
        return end, fields
    return start + 1, [_unquoted(field) for field in plain] if fits else problem


def _unquoted(field: str) -> str:
    """A TSV field without its spreadsheet quotes; a field that merely contains quotes stays as it is."""
    field = field.strip()
    inner = field[1:-1]
    if len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return field
