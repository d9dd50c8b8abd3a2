"""A file of a click log as rows that DuckDB can judge: lines of JSON, whatever the file's format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from llm_auction.click_log.files import LogFile
from llm_auction.click_log.reading import LINE, LINES_SCHEMA, parquet_fields, read_lines, read_rows

INCOMING = "incoming"  # the name under which `relation` expects the reader


class UnreadableFile(ValueError):
    """Nothing of the file can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file holds: `relation` selects line, text and fault from `reader`, registered as `INCOMING`.

    `faults` says, once the reader has ended, why it ended before the file did.
    """

    reader: pa.RecordBatchReader
    relation: str
    faults: list[str]


def open_rows(file: LogFile) -> Rows:
    """Open a file of JSON Lines or Parquet.

    Raises:
        UnreadableFile: it is neither by its name, or no Parquet.
    """
    if file.is_parquet:
        try:
            fields = parquet_fields(file)
            rows, relation = read_rows(file, fields), _as_lines(read_rows(file, fields).schema, fields)
        except (OSError, pa.ArrowException) as error:
            raise UnreadableFile(f"it can't be read as Parquet: {error}") from error
        batches: Iterator[pa.RecordBatch] = iter(rows)
        schema = rows.schema
    elif file.is_json_lines:
        batches, schema, relation = read_lines(file), LINES_SCHEMA, INCOMING
    else:
        raise UnreadableFile(
            "the ending of its name is not that of JSON Lines (.jsonl, also .gz or .zst) or Parquet (.parquet)"
        )
    faults: list[str] = []
    return Rows(pa.RecordBatchReader.from_batches(schema, _until_broken(batches, faults)), relation, faults)


def _until_broken(batches: Iterator[pa.RecordBatch], faults: list[str]) -> Iterator[pa.RecordBatch]:
    """The batches up to the one that can't be read; why goes to `faults`."""
    try:
        yield from batches
    except MemoryError:  # also Arrow's own
        raise
    except (OSError, pa.ArrowException) as error:
        faults.append(str(error))


def _as_lines(schema: pa.Schema, fields: tuple[str, ...]) -> str:
    """Rows of a Parquet file as lines of JSON, so that they are judged by the same rules."""

    def value(name: str) -> str:
        if not pa.types.is_timestamp(schema.field(name).type):
            return f'"{name}"'
        # A time that DuckDB can't hold is no ts, which is for the rules to say.
        text = f"try(strftime({name}::timestamp, '%Y-%m-%dT%H:%M:%S.%fZ'))"
        return f"case when {name} is not null then coalesce({text}, 'out of range') end"

    members = ", ".join(f"'{name}': {value(name)}" for name in fields)
    text = f"to_json({{{members}}})::varchar" if fields else "'{}'"
    return f'(select "{LINE}" as line, {text} as text, null::varchar as fault from incoming)'
