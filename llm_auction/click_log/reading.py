"""Reading one file of a log as a stream of Arrow batches: its lines as text, or the rows of a Parquet file.

Memory stays at a few batches whatever the size of the file. Nothing is interpreted here: which line is an event, and
which event is a good one, is decided by whoever takes the batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llm_auction.click_log.contract import COMMON_FIELDS, EVENTS, LINE_BYTES
from llm_auction.click_log.files import LogFile

CHUNK_BYTES = 8 * 1024 * 1024
# Read at a time: of a stream that breaks off, no more than this is lost.
PIECE_BYTES = 64 * 1024
ROWS = 8192
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What is kept of a line that can't be read.
SHOWN_BYTES = 1000

# line: from 1. text: the line; what could be read of it, where `fault` holds the reason (a key of REASONS).
LINES_SCHEMA = pa.schema([("line", pa.int64()), ("text", pa.string()), ("fault", pa.string())])
LINE = "number of the row in the file"
FIELDS = tuple(dict.fromkeys(chain(COMMON_FIELDS, *EVENTS.values())))


def read_lines(file: LogFile) -> Iterator[pa.RecordBatch]:
    """The lines of a JSON Lines file, in the columns of LINES_SCHEMA; empty ones are left out but counted.

    Raises:
        OSError: the file can't be read on, or its compression is broken; the lines before that have been yielded.
    """
    with file.open() as raw, pa.input_stream(pa.PythonFile(raw, mode="r"), compression=file.compression) as stream:
        number, rest, skipping = 1, b"", False
        for index, chunk in enumerate(_chunks(stream)):
            head, newline, tail = (chunk if index else chunk.removeprefix(BYTE_ORDER_MARK)).rpartition(b"\n")
            if newline:
                lines = rest + head + newline
                # The end of a line that was too long is left out, its line break is not.
                lines = lines[lines.index(newline) :] if skipping else lines
                yield _line_batch(number, lines)
                number += lines.count(newline)
                rest, skipping = b"", False
            rest += tail
            if len(rest) > LINE_BYTES:
                if not skipping:
                    yield _fault_batch(number, rest, "line_too_long")
                rest, skipping = b"", True
        if rest and not skipping:
            yield _line_batch(number, rest + b"\n")


def parquet_fields(file: LogFile) -> tuple[str, ...]:
    """The columns of a Parquet file that the contract knows.

    Raises:
        OSError, pa.ArrowException: it is no Parquet file, or two columns have one name.
    """
    with file.open() as raw:
        names = pq.ParquetFile(raw).schema_arrow.names
    for name in FIELDS:
        if names.count(name) > 1:
            raise pa.ArrowInvalid(f"{names.count(name)} columns are named {name}")
    return tuple(name for name in FIELDS if name in names)


def read_rows(file: LogFile, fields: tuple[str, ...]) -> pa.RecordBatchReader:
    """The rows of a Parquet file: `fields` in types that DuckDB reads, and the column LINE, from 1."""
    raw = file.open()
    parquet = pq.ParquetFile(raw)
    kept = parquet.schema_arrow
    schema = pa.schema([(name, _readable(kept.field(name).type)) for name in fields] + [(LINE, pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        number = 1
        with raw:
            for batch in parquet.iter_batches(batch_size=ROWS, columns=list(fields), use_threads=False):
                numbers = pa.array(range(number, number + batch.num_rows), pa.int64())
                columns = [batch.column(name).cast(schema.field(name).type) for name in fields]
                yield pa.RecordBatch.from_arrays([*columns, numbers], schema=schema)
                number += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, batches())


def _readable(kind: pa.DataType) -> pa.DataType:
    """The type itself, or one that holds the same where DuckDB knows it not, or refuses all for one value of it."""
    if pa.types.is_float16(kind) or pa.types.is_decimal256(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        # In UTC. One with a zone is checked while it is read, before a single row of it can be judged.
        return pa.timestamp(kind.unit)
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _readable(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_readable(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_readable(kind.value_type))
    return kind


def _chunks(stream: pa.NativeFile) -> Iterator[bytes]:
    """The content in pieces of about CHUNK_BYTES; what came before an error is yielded before it is raised."""
    pieces: list[bytes] = []
    try:
        while piece := stream.read(PIECE_BYTES):
            pieces.append(piece)
            if len(pieces) * PIECE_BYTES >= CHUNK_BYTES:
                yield b"".join(pieces)
                pieces = []
    except OSError:
        yield b"".join(pieces)
        raise
    yield b"".join(pieces)


def _line_batch(number: int, lines: bytes) -> pa.RecordBatch:
    """Lines that each end with a line break, the first of this number; made without one Python object a line."""
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n")) + 1
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(lines)]
    column = pa.Array.from_buffers(pa.binary(), len(ends), buffers)
    numbers = pa.array(np.arange(number, number + len(ends)))
    if np.diff(offsets).max(initial=0) > LINE_BYTES:
        return _judged_batch(numbers, column)
    try:
        texts = pc.ascii_trim(column.cast(pa.string()), " \t\r\n")
    except pa.ArrowInvalid:
        return _judged_batch(numbers, column)
    batch = pa.RecordBatch.from_arrays([numbers, texts, pa.nulls(len(texts), pa.string())], schema=LINES_SCHEMA)
    written = pc.greater(pc.binary_length(texts), 0)
    return batch if pc.all(written).as_py() else batch.filter(written)


def _judged_batch(numbers: pa.Array, column: pa.Array) -> pa.RecordBatch:
    """Lines of which some are too long or not UTF-8."""
    rows: list[tuple[int, str, str | None]] = []
    for number, line in zip(numbers.to_pylist(), column.to_pylist(), strict=True):
        text = line.strip()
        if not text:
            continue
        if len(text) > LINE_BYTES:
            rows.append((number, _shown(text), "line_too_long"))
            continue
        try:
            rows.append((number, text.decode(), None))
        except UnicodeDecodeError:
            rows.append((number, _shown(text), "bad_encoding"))
    return pa.RecordBatch.from_pylist(
        [dict(zip(LINES_SCHEMA.names, row, strict=True)) for row in rows], schema=LINES_SCHEMA
    )


def _fault_batch(number: int, line: bytes, reason: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"line": [number], "text": [_shown(line)], "fault": [reason]}, LINES_SCHEMA)


def _shown(line: bytes) -> str:
    return line[:SHOWN_BYTES].decode(errors="backslashreplace")
