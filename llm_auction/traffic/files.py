"""The files of a log: `DATE/part-NN.jsonl.gz` by day and time of delivery, in JSON Lines or Parquet."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import IO, Any

from llm_auction.traffic.clock import DAY, day_of, midnight
from llm_auction.traffic.config import LogFormat
from llm_auction.traffic.events import Event

_ROWS_PER_GROUP = 20_000


class LogFiles:
    """Writes events in the order of their delivery; one file is open at a time. Use it as a context manager.

    Args:
        folder: where the days' folders go.
        format: of the files.
        files_per_day: each holds what was delivered in an equal part of the day.
    """

    def __init__(self, folder: Path, format_: LogFormat, files_per_day: int) -> None:
        self._folder = folder
        self._format = format_
        self._files_per_day = files_per_day
        self._open: _LinesFile | _ParquetFile | None = None
        self._path: Path | None = None
        self._line = 0

    def __enter__(self) -> LogFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def write(self, delivered_us: int, payload: Event | bytes) -> tuple[str, int]:
        """Append to the file of this time; returns the file, relative to the folder, and the line or row from 1."""
        path = self.path_at(delivered_us)
        if path != self._path:
            self._close()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open = _ParquetFile(path) if self._format == "parquet" else _LinesFile(path, self._format)
            self._path, self._line = path, 0
        assert self._open is not None
        self._open.write(payload)
        self._line += 1
        return path.relative_to(self._folder).as_posix(), self._line

    def write_junk(self, beside: str, content: bytes) -> str:
        """A file beside `beside` that is not what its name says; returns it, relative to the folder."""
        path = self._folder / beside
        ending = path.name.partition(".")[2]
        # Any bytes are lines of plain text; compressed files and Parquet must begin as they should.
        junk = path.with_name(f"{path.name.partition('.')[0]}-junk.{'jsonl.gz' if ending == 'jsonl' else ending}")
        junk.write_bytes(content)
        return junk.relative_to(self._folder).as_posix()

    def path_at(self, delivered_us: int) -> Path:
        """The file that takes what is delivered at this time."""
        day: date = day_of(delivered_us)
        part = (delivered_us - midnight(day)) * self._files_per_day // DAY
        width = len(str(self._files_per_day - 1))
        return self._folder / day.isoformat() / f"part-{part:0{width}d}.{self._format}"

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = self._path = None


class _LinesFile:
    def __init__(self, path: Path, format_: LogFormat) -> None:
        self._stack = ExitStack()
        self._file: IO[bytes] | Any
        if format_ == "jsonl.gz":
            # No time stamp and no name inside: the same log is the same bytes.
            raw = self._stack.enter_context(path.open("wb"))
            self._file = self._stack.enter_context(gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0))
        elif format_ == "jsonl.zst":
            import pyarrow as pa

            self._file = self._stack.enter_context(pa.CompressedOutputStream(str(path), "zstd"))
        else:
            self._file = self._stack.enter_context(path.open("wb"))

    def write(self, payload: Event | bytes) -> None:
        line = payload
        if not isinstance(line, bytes):
            line = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        self._file.write(line + b"\n")

    def close(self) -> None:
        self._stack.close()


class _ParquetFile:
    """Rows of all kinds of events in one table: a column that a kind of event lacks is null."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text, number, whole = pa.string(), pa.float64(), pa.int64()
        sampling = pa.struct({"temperature": number, "top_p": number, "top_k": whole})
        columns: Mapping[str, Any] = {
            "schema_version": whole,
            **dict.fromkeys(("event", "event_id", "ts", "response_id", "policy_version", "query_id", "query"), text),
            **dict.fromkeys(("user_id", "profile", "answer"), text),
            "auction": pa.list_(pa.struct({"ad_id": text, "bid": number})),
            "sampling": sampling,
            "logprob": number,
            "ad_id": text,
            "value": number,
        }
        self._schema = pa.schema(list(columns.items()))
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Event] = []

    def write(self, payload: Event | bytes) -> None:
        if isinstance(payload, bytes):
            raise ValueError("a Parquet file holds events, no broken lines")
        self._rows.append(payload)
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []
