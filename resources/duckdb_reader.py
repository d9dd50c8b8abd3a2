"""Reading a DuckDB file that other processes write now and then.

DuckDB lets one process write OR many read. The pool "duckdb" keeps dbt and the checks apart; whatever else holds the
file for a moment (the start of `pctr_model`, a dbt command by hand, a notebook) is waited for, within bounds.
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

PATIENCE_S = 60.0
PAUSE_S = 0.5


class WarehouseLockedError(RuntimeError):
    """Another process kept the file open for writing."""


def open_read_only(path: Path, patience_s: float = PATIENCE_S) -> duckdb.DuckDBPyConnection:
    """A read-only connection, as soon as no other process writes.

    Raises:
        WarehouseLockedError: one still did after `patience_s` seconds; the message holds DuckDB's, which names it.
        duckdb.Error: the file is missing or not a database.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return duckdb.connect(str(path), read_only=True)
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise WarehouseLockedError(
                    f"{path} is open for writing in another process and stayed so for {patience_s:g} s: close the "
                    f"program that writes it and run the step again ({error})"
                ) from error
        time.sleep(PAUSE_S)
