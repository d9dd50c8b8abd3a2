"""The warehouse as readers see it: the DuckDB file that dbt writes, opened read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from dagster import ConfigurableResource
from pydantic import Field

from resources.duckdb_reader import open_read_only


class WarehouseError(RuntimeError):
    """The warehouse can't be read: it is missing or not a database."""


class Warehouse(ConfigurableResource):
    """Read-only queries.

    DuckDB takes one writer OR many readers. A query waits for a writer, dbt for a reader; a step that reads for long
    belongs in the pool "duckdb", one that reads and then computes does not.
    """

    data_dir: str = Field(description="The data directory of the run.")

    @property
    def path(self) -> Path:
        return Path(self.data_dir) / "warehouse.duckdb"

    def query(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The result of one SELECT; `?` or `$name` placeholders take `params`.

        Raises:
            WarehouseError: there is no warehouse yet, or it is damaged.
            WarehouseLockedError: another process keeps it open for writing.
        """
        if not self.path.exists():
            raise WarehouseError(f"no warehouse at {self.path}: materialize the dbt assets (fct_responses, ...) first")
        try:
            connection = open_read_only(self.path)
        except duckdb.Error as error:
            raise WarehouseError(
                f"{self.path} is damaged ({error}): remove it and materialize the dbt assets of all iterations again"
            ) from error
        try:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(sql, params or []).pl()
        finally:
            connection.close()
