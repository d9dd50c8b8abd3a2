"""Where a report can't be written: one clear error, and the report before it is whole. What it lacks does not stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from assets.study import write_report
from llm_auction.report.study import SeedRun
from resources.storage import StorageError
from tests.small_disk import fill_up, run_on_a_small_disk
from tests.synthetic_study import synthetic_profile, synthetic_run


def baselines() -> SeedRun:
    """The smallest report: one plot, one table."""
    run = synthetic_run(0, 4)
    baselines = run.outcomes.filter(pl.col("iteration").is_null())
    return replace(run, outcomes=baselines, fits=(), bid_curves=None, continuity=None, incentives=None, quality=None)


def write_on_a_full_disk(disk: str) -> None:
    """In the process that sees the small disk: an earlier report, and another one when nothing more fits."""
    folder = Path(disk) / "report"
    (folder / "tables").mkdir(parents=True)
    for name in ("report.html", "results.json", "cost_revenue.png", "tables/mechanism_outcomes.csv", "tables/old.csv"):
        (folder / name).write_text("earlier")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    fill_up(Path(disk))
    with pytest.raises(StorageError, match=r"the disk is full: .*/report was not written\. Free some space"):
        write_report([baselines()], folder, synthetic_profile())
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_full_disk_leaves_the_report_as_it_was(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    run_on_a_small_disk(f"from {__name__} import write_on_a_full_disk as write; write({str(disk)!r})", disk)


def test_a_folder_that_can_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the data directory should be")
    folder = tmp_path / "data" / "report"
    with pytest.raises(StorageError, match=r"can't write .*/data/report .*: set DATA_DIR to a directory"):
        write_report([baselines()], folder, synthetic_profile())


def test_plots_and_tables_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    earlier = [tmp_path / name for name in ("bid_response.png", "tables/bid_monotonicity.csv")]
    for path in (*earlier, tmp_path / "notes.txt"):
        path.write_text("earlier")
    files = write_report([baselines()], tmp_path, synthetic_profile())
    assert not any(path.exists() for path in earlier)
    assert (tmp_path / "notes.txt").exists() and all(path.exists() for path in files.pngs.values())
