"""An ingestion that is killed in the middle, or started twice at once, does not harm the day."""

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


APART = """
import sys
from pathlib import Path
from resources.lake import Lake
from tests.assets.test_click_log_killed import ingest
ingest(Lake(data_dir=sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
"""


def start(folder: Path, source: Path, day: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """An ingestion in a process of its own."""
    command = [sys.executable, "-c", APART, str(folder), str(source), day]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr)


def _spilling(folder: Path) -> bool:
    """The events are being read."""
    return any((folder / "spill").glob("*/scratch.duckdb"))


def _writing(folder: Path) -> bool:
    """The tables of the day are being made."""
    return any((folder / "lake" / ".aside").glob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [_spilling, _writing], ids=["while it reads", "while it writes"])
def test_a_run_that_is_killed_is_put_right_by_the_next(tmp_path: Path, moment: Any) -> None:
    day = FIRST_DAY.isoformat()
    write_log(tmp_path / "log", days=1, answers_per_day=4000, faults=every_fault(), seed=12)
    undisturbed, disturbed = new_lake(tmp_path / "undisturbed"), new_lake(tmp_path / "disturbed")
    ingest(undisturbed, tmp_path / "log", day)

    folder = Path(disturbed.data_dir)
    process = start(folder, tmp_path / "log", day)
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


@pytest.mark.slow
def test_two_nights_of_a_day_at_once_leave_the_tables_of_one(tmp_path: Path) -> None:
    """Started past the run queue: one of them takes the day in; the other does too, afterwards, or says who has it."""
    day = FIRST_DAY.isoformat()
    write_log(tmp_path / "log", days=1, answers_per_day=4000, faults=every_fault(), seed=12)
    alone, together = new_lake(tmp_path / "alone"), new_lake(tmp_path / "together")
    ingest(alone, tmp_path / "log", day)
    nights = [start(Path(together.data_dir), tmp_path / "log", day, subprocess.PIPE) for _ in range(2)]
    said = [night.communicate()[1].decode() for night in nights]
    failed = [text for night, text in zip(nights, said, strict=True) if night.returncode]
    assert len(failed) < 2, said
    assert all(f"another run is taking in the files of {day}" in text for text in failed)
    for table, frame in day_tables(alone, day).items():
        assert frame.equals(day_tables(together, day)[table]), table


def _until_it_ends(process: subprocess.Popen[bytes]) -> Iterator[None]:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        yield
        time.sleep(0.001)
