"""`llm-auction nightly`: the week that it shows, and what it never deletes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_auction.traffic import read_manifest
from resources.champion import Champion
from resources.model_store import ModelStore
from resources.warehouse import Warehouse
from workflows.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--profile", "smoke", "--days", "6", "--answers-per-day", "800", "--set", "pctr.max_epochs=4")


def error_of(*arguments: str) -> str:
    return str(CliRunner().invoke(app, ["nightly", *arguments]).exception)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for force in ((), ("--force",)):
        assert "in use by something else" in error_of("--data-dir", str(tmp_path), *force)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_earlier_run_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "nightly.json").write_text("{}")
    assert "--force" in error_of("--data-dir", str(tmp_path))
    assert (tmp_path / "nightly.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_week_is_refitted_night_by_night_and_the_bad_day_is_blocked_and_mended(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workflows.cli", "nightly", *SMALL, "--data-dir", str(tmp_path / "state")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    days = list(read_manifest(tmp_path / "state" / "traffic")["days"])
    lines = done.stdout.splitlines()
    assert sum(f"{days[4]}  blocked" in line for line in lines) == 1
    assert sum(line.startswith(days[4]) for line in lines) == 2
    assert all(any(line.startswith(day) for line in lines) for day in days)
    # The mended day holds everything that the manifest says was delivered.
    warehouse = Warehouse(data_dir=str(tmp_path / "state"))
    read = warehouse.query("select events_read from agg_click_log_days where day = ?", [days[4]]).item()
    assert read == read_manifest(tmp_path / "state" / "traffic")["days"][days[4]]["events"]
    champion = Champion(ModelStore(data_dir=str(tmp_path / "state")), "pctr").current()
    assert champion is not None
    assert champion.metadata["day"] in days
