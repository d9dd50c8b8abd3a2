"""An ingestion that is killed in the middle leaves nothing that the next run does not put right."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import materialize

from assets.click_log import click_log
from assets.frames import ads_to_frame
from resources.click_log import TABLES
from resources.lake import Lake
from resources.profile import ProfileResource
from tests.generated_logs import FIRST_DAY, every_fault, small_audience, write_log

ROOT = Path(__file__).resolve().parents[2]


def overrides(source: Path) -> dict[str, str]:
    return {"click_log.source": f"{source}/{{date}}/*", "click_log.max_rejected_share": "0.5"}


def new_lake(folder: Path) -> Lake:
    lake = Lake(data_dir=str(folder))
    lake.write("ad_catalog", ads_to_frame(small_audience().ads))
    return lake


def ingest(lake: Lake, source: Path, day: str) -> None:
    profile = ProfileResource(profile="smoke", overrides=overrides(source))
    assert materialize([click_log], partition_key=day, resources={"profile": profile, "lake": lake}).success


def day_tables(lake: Lake, day: str) -> dict[str, pl.DataFrame]:
    """The tables of a day, without what may differ between two places and times."""
    return {table: lake.read(table, {"day": day}).drop("file", "fingerprint", strict=False) for table in TABLES}


KILLED = """
import sys
from pathlib import Path
from resources.lake import Lake
from tests.assets.test_click_log_killed import ingest
ingest(Lake(data_dir=sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
"""


def _spilling(folder: Path) -> bool:
    """The events are being read."""
    return any((folder / "spill").glob("*/scratch.duckdb"))


def _writing(folder: Path) -> bool:
    """The first table of the day is there, the last one is not."""
    return any((folder / "lake" / TABLES[0]).glob("*/part-0.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [_spilling, _writing], ids=["while it reads", "while it writes"])
def test_a_run_that_is_killed_is_put_right_by_the_next(tmp_path: Path, moment: Any) -> None:
    day = FIRST_DAY.isoformat()
    write_log(tmp_path / "log", days=1, answers_per_day=4000, faults=every_fault(), seed=12)
    undisturbed, disturbed = new_lake(tmp_path / "undisturbed"), new_lake(tmp_path / "disturbed")
    ingest(undisturbed, tmp_path / "log", day)

    folder = Path(disturbed.data_dir)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "log"), day],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in _until_it_ends(process):
        if moment(folder):
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert not disturbed.exists("click_log_files", {"day": day})

    ingest(disturbed, tmp_path / "log", day)
    for table, frame in day_tables(undisturbed, day).items():
        assert frame.equals(day_tables(disturbed, day)[table]), table
    assert not any((folder / "spill").iterdir())


def _until_it_ends(process: subprocess.Popen[bytes]) -> Iterator[None]:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        yield
        time.sleep(0.001)
