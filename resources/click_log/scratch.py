"""A DuckDB of one's own for the length of a step: bounded memory, and a folder to spill to that is gone afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from resources.storage import own_name, remove_abandoned, storage_errors


class MemoryLimitError(MemoryError):
    """DuckDB may not take as much memory as the work needs."""


@contextmanager
def scratch_database(root: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty database in a fresh folder below `root`; both are gone at the end.

    Args:
        root: where it spills; made when missing. Folders of processes that were killed are removed first.
        memory_limit: of DuckDB, such as "2GB"; what does not fit lies in the folder.

    Raises:
        StorageError: the folder can't be written, or is full.
        MemoryLimitError: the work needs more memory at once, which can't be spilled.
    """
    with storage_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        remove_abandoned(root)
        folder = root / own_name()
        folder.mkdir()
    try:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": str(folder / "spill"),
            # The order of rows is set where it matters; keeping it everywhere costs memory.
            "preserve_insertion_order": False,
        }
        with storage_errors(root):
            connection = duckdb.connect(str(folder / "scratch.duckdb"), config=settings)
            try:
                connection.execute("set timezone = 'UTC'")
                connection.execute("set enable_progress_bar = false")
                yield connection
            finally:
                connection.close()
    except duckdb.OutOfMemoryException as error:
        raise MemoryLimitError(
            f"click_log.memory_limit = {memory_limit} is too little here; raise it: {error}"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
