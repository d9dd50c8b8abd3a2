"""The lake: Parquet partitions under the data directory, the hand-over between the assets.

Layout: `{data_dir}/lake/{table}[/arm=A/iteration=NN]/part-0.parquet` with a `_SUCCESS` marker written last. Partition
columns are also columns of the file, so that readers need no hive parsing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from dagster import ConfigurableResource
from pydantic import Field

from resources.storage import aside_path, flush_to_disk, sha256_of, storage_errors, write_json

FILE = "part-0.parquet"
MARKER = "_SUCCESS"


class MissingPartition(ValueError):
    """A table or partition was read that is not there, or not complete: the message names what to materialize."""


class Lake(ConfigurableResource):
    """Reads and writes whole partitions; a write is complete or absent, and writing again replaces it."""

    data_dir: str = Field(description="The data directory of the run.")

    @property
    def root(self) -> Path:
        return Path(self.data_dir) / "lake"

    def path(self, table: str, partition: Mapping[str, str] | None = None) -> Path:
        """The directory of a table or of one of its partitions, whether or not it exists."""
        folder = self.root / table
        for column, key in (partition or {}).items():
            folder = folder / f"{column}={key}"
        return folder

    def exists(self, table: str, partition: Mapping[str, str] | None = None) -> bool:
        """Whether the partition is there and complete."""
        return self._fault(self.path(table, partition)) is None

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        partition: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        models: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a table or partition and return its file.

        Partition columns that the frame lacks are added. `settings` (plain values) and `models` (name -> version) are
        kept beside it and are no part of its data version.

        Raises:
            ValueError: a partition column of the frame holds another key.
            StorageError: the data directory is full or not writable; the earlier content stays.
        """
        frame = _with_partition_columns(table, frame, partition or {})

        def write_frame(aside: Path) -> int:
            frame.write_parquet(aside, compression="zstd")
            return frame.height

        kept = {name: dict(value) for name, value in (("settings", settings), ("models", models)) if value is not None}
        self.write_together({table: write_frame}, partition, kept)
        return self.path(table, partition) / FILE

    def write_with(self, table: str, write: Callable[[Path], int], partition: Mapping[str, str] | None = None) -> Path:
        """Write a table or partition that is too big for a frame, and return its file.

        Args:
            table: its name.
            write: makes the Parquet file at the path it is given, partition columns included; returns the rows.
            partition: column -> key.

        Raises:
            StorageError: the data directory is full or not writable; the earlier content stays.
        """
        self.write_together({table: write}, partition)
        return self.path(table, partition) / FILE

    def write_together(
        self,
        writes: Mapping[str, Callable[[Path], int]],
        partition: Mapping[str, str] | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        """Write several tables, or one partition of each, that belong together.

        All of them, with their markers, are made before the first takes its place, so that a full disk leaves the
        earlier content of each. The last one's marker is taken away before that and put back at the end: it tells
        whether all are of one write.

        Args:
            writes: table -> what makes its file, as for `write_with`.
            partition: column -> key, of every table.
            kept: plain values to keep beside each of them, by name.

        Raises:
            StorageError: the data directory is full or not writable.
        """
        staged: dict[str, _Staged] = {}
        try:
            for table, write in writes.items():
                folder = self.path(table, partition)
                with storage_errors(folder / FILE):
                    staged[table] = _Staged(aside_path(self.root), aside_path(self.root))
                    staged[table].fill(write, kept or {})
                    folder.mkdir(parents=True, exist_ok=True)
            if len(staged) > 1:
                self.withdraw(list(staged)[-1], partition)
            for table, content in staged.items():
                folder = self.path(table, partition)
                with storage_errors(folder / FILE):
                    os.replace(content.path, folder / FILE)
                    flush_to_disk(folder)
                    os.replace(content.marker, folder / MARKER)
                    flush_to_disk(folder)
        finally:
            for content in staged.values():
                content.path.unlink(missing_ok=True)
                content.marker.unlink(missing_ok=True)

    def withdraw(self, table: str, partition: Mapping[str, str] | None = None) -> None:
        """Mark a table or partition as incomplete until it is written again; nothing happens where there is none."""
        folder = self.path(table, partition)
        with storage_errors(folder):
            (folder / MARKER).unlink(missing_ok=True)

    def file(self, table: str, partition: Mapping[str, str] | None = None) -> Path:
        """The Parquet file of a complete table or partition; MissingPartition otherwise."""
        folder = self.path(table, partition)
        fault = self._fault(folder)
        if fault is not None:
            of = f"[{'|'.join(partition.values())}]" if partition else ""
            raise MissingPartition(f"{table}{of} {fault} ({folder}): materialize the asset {table}{of} first")
        return folder / FILE

    def read(self, table: str, partition: Mapping[str, str] | None = None) -> pl.DataFrame:
        """One table or partition.

        Raises:
            MissingPartition: it was never written, or its write was cut short.
        """
        return pl.read_parquet(self.file(table, partition), hive_partitioning=False, glob=False)

    def data_version(self, table: str, partition: Mapping[str, str] | None = None) -> str:
        """The content hash of a complete partition; MissingPartition otherwise."""
        return _version(self.file(table, partition).with_name(MARKER))

    def settings(self, table: str, partition: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The settings that were written with a complete partition; None where there were none."""
        found: dict[str, Any] | None = self._marker(table, partition).get("settings")
        return found

    def models(self, table: str, partition: Mapping[str, str] | None = None) -> dict[str, str] | None:
        """The versions of models that were written with a complete partition; None where there were none."""
        found: dict[str, str] | None = self._marker(table, partition).get("models")
        return found

    def data_versions(self, table: str) -> dict[str, str]:
        """The content hashes of all complete partitions of a table, by their folder within it; "." for a whole one."""
        folder = self.root / table
        return {str(marker.parent.relative_to(folder)): _version(marker) for marker in sorted(folder.rglob(MARKER))}

    def partitions(self, table: str, *columns: str) -> list[dict[str, str]]:
        """The complete partitions of a table, in key order; `columns` name its levels, outermost first."""
        found = []
        for folder in sorted(self.root.joinpath(table).glob("/".join(f"{column}=*" for column in columns))):
            keys = folder.relative_to(self.root / table).parts
            partition = dict(part.split("=", 1) for part in keys)
            if self.exists(table, partition):
                found.append(partition)
        return found

    def _marker(self, table: str, partition: Mapping[str, str] | None) -> dict[str, Any]:
        marker = self.file(table, partition).with_name(MARKER)
        content: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
        return content

    def _fault(self, folder: Path) -> str | None:
        """Why a partition can't be read; None when it is complete."""
        if not (folder / FILE).exists():
            return "is missing"
        try:
            marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            complete = marker["bytes"] == (folder / FILE).stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            complete = False
        return None if complete else "is half-written"


@dataclass(frozen=True, slots=True)
class _Staged:
    """A table's file and its marker, neither of which has taken its place yet."""

    path: Path
    marker: Path

    def fill(self, write: Callable[[Path], int], kept: Mapping[str, Any]) -> None:
        rows = write(self.path)
        flush_to_disk(self.path)
        content = {**kept, "rows": rows, "bytes": self.path.stat().st_size, "sha256": sha256_of(self.path)}
        write_json(self.marker, content)


def _version(marker: Path) -> str:
    """The content hash that a marker holds, shortened."""
    return str(json.loads(marker.read_text(encoding="utf-8"))["sha256"])[:16]


def _with_partition_columns(table: str, frame: pl.DataFrame, partition: Mapping[str, str]) -> pl.DataFrame:
    for column, key in partition.items():
        if column not in frame.columns:
            frame = frame.with_columns(pl.lit(key, dtype=pl.String).alias(column))
        elif frame.height and frame[column].unique().to_list() != [key]:
            raise ValueError(f"{table}: column {column} must hold {key!r} only, it holds {frame[column].unique()[:3]}")
    return frame
