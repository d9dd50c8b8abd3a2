"""dbt that is killed on a day of real logs, meets a full disk, another night or tables of an earlier release.

The next run of the day mends it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from dagster import AssetSelection, materialize

from assets.click_log import click_log
from assets.click_log_models import click_log_models
from assets.frames import ads_to_frame
from resources.dbt import dbt_resource
from resources.lake import Lake
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.generated_logs import FIRST_DAY, every_fault, small_audience, write_log
from tests.small_disk import ROOT, fill_up, run_on_a_small_disk

pytestmark = pytest.mark.slow
DAYS = [str(FIRST_DAY + timedelta(days=number)) for number in range(2)]
TABLES = ("int_click_log_answers", "int_click_log_sessions", "fct_click_log_impressions")


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two days of events that are not modelled yet."""
    folder = tmp_path_factory.mktemp("ingested")
    write_log(folder / "log", days=2, answers_per_day=1000, faults=every_fault(), seed=12)
    lake = Lake(data_dir=str(folder / "data"))
    lake.write("ad_catalog", ads_to_frame(small_audience().ads))
    overrides = {"click_log.source": f"{folder}/log/{{date}}/*", "click_log.max_rejected_share": "0.5"}
    profile = ProfileResource(profile="smoke", overrides=overrides)
    for day in DAYS:
        assert materialize([click_log], partition_key=day, resources={"profile": profile, "lake": lake}).success
    return folder / "data"


def model(data_dir: str, day: str, last: str = TABLES[-1]) -> str:
    """Build a table of a day and all that it needs; returns the errors of the steps that failed."""
    result = materialize(
        [click_log_models],
        partition_key=day,
        selection=AssetSelection.assets(last).upstream() & AssetSelection.assets(click_log_models),
        resources={"profile": ProfileResource(profile="smoke"), "lake": Lake(data_dir=data_dir), "dbt": dbt_resource()},
        raise_on_error=False,
    )
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return "".join(str(error) for error in failures)


def start(data_dir: Path, day: str) -> subprocess.Popen[str]:
    """Model a day in a process of its own, which leads a group with its dbt."""
    code = f"import sys; from {__name__} import model; sys.exit(model({str(data_dir)!r}, {day!r}) or 0)"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def rows(data_dir: Path, table: str, day: str) -> pl.DataFrame:
    """What a table holds of a day, in one order."""
    found = Warehouse(data_dir=str(data_dir)).query(f"select * from {table} where day = ? order by all", [day])
    return found.drop("file", strict=False)


def test_a_day_killed_halfway_is_put_right_beside_another_night(ingested: Path, tmp_path: Path) -> None:
    """`kill -9` of run and dbt once the first tables are there, then that day and another one at once."""
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        shutil.copytree(ingested, folder)
    assert model(str(undisturbed), DAYS[0]) == ""

    killed = start(disturbed, DAYS[0])
    deadline = time.monotonic() + 300
    while killed.poll() is None and time.monotonic() < deadline and not _has_built(disturbed, TABLES[0]):
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL

    nights = [start(disturbed, day) for day in DAYS]
    said = [night.communicate()[1] for night in nights]
    assert [night.returncode for night in nights] == [0, 0], said
    assert not any("Could not set lock" in text for text in said)
    for table in TABLES:
        assert rows(disturbed, table, DAYS[0]).equals(rows(undisturbed, table, DAYS[0])), table
        assert rows(disturbed, table, DAYS[1]).height > 0


def _has_built(data_dir: Path, table: str) -> bool:
    """Whether dbt's log says so: the database is locked."""
    logs = [log.read_text(encoding="utf-8") for log in data_dir.glob("dbt/*/dbt.log")]
    return any(f"OK created sql incremental model main.{table}" in log for log in logs)


def meet_a_full_disk(data_dir: str) -> None:
    """The first day is modelled; the second finds no room, and then it does."""
    assert model(data_dir, DAYS[0], TABLES[0]) == ""
    before = rows(Path(data_dir), TABLES[0], DAYS[0])
    filler = fill_up(Path(data_dir))
    error = model(data_dir, DAYS[1], TABLES[0])
    assert "the disk is full: " in error, error
    assert "warehouse.duckdb was not written. Free some space and run it again" in error
    filler.unlink()
    assert model(data_dir, DAYS[1], TABLES[0]) == ""
    assert rows(Path(data_dir), TABLES[0], DAYS[0]).equals(before)
    assert rows(Path(data_dir), TABLES[0], DAYS[1]).height > 0


def test_a_full_disk_is_one_clear_error_and_the_day_is_run_again(ingested: Path, tmp_path: Path) -> None:
    code = f"""
import shutil
from {__name__} import meet_a_full_disk
shutil.copytree({str(ingested)!r}, {str(tmp_path / "data")!r}, dirs_exist_ok=True)
meet_a_full_disk({str(tmp_path / "data")!r})
"""
    run_on_a_small_disk(code, tmp_path / "data", "40m")


def test_tables_of_another_release_are_one_clear_error_and_are_made_anew(ingested: Path, tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    shutil.copytree(ingested, data_dir)
    assert model(data_dir, DAYS[0], TABLES[0]) == ""
    warehouse = tmp_path / "data" / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"alter table {TABLES[0]} drop column top_k")
    error = model(data_dir, DAYS[1], TABLES[0])
    assert f"{warehouse} has tables of another release" in error, error
    assert "remove it and materialize the dbt assets of all partitions" in error
    warehouse.unlink()
    assert [model(data_dir, day, TABLES[0]) for day in DAYS] == ["", ""]
    assert all(rows(Path(data_dir), TABLES[0], day).height > 0 for day in DAYS)
