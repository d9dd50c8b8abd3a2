"""The warehouse is read-only, and says why it can't be read."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from resources.warehouse import Warehouse, WarehouseError


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create table ads as select 'a' as ad_id, 3 as clicks union all select 'b', 5")
    return Warehouse(data_dir=str(tmp_path))


def test_query_with_parameters(warehouse: Warehouse) -> None:
    assert warehouse.query("select clicks from ads where ad_id = ?", ["b"])["clicks"].to_list() == [5]


def test_it_is_read_only(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.Error, match="read-only"):
        warehouse.query("insert into ads values ('c', 1)")


def test_missing_warehouse_says_what_to_materialize(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"no warehouse at .*materialize the dbt assets"):
        Warehouse(data_dir=str(tmp_path)).query("select 1")


def test_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_text("nonsense, and enough of it to be read as a header " * 100)
    with pytest.raises(WarehouseError, match="damaged"):
        Warehouse(data_dir=str(tmp_path)).query("select 1")
