"""`llm-auction logs`: generating click logs from the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_auction.traffic import FAULTS, read_manifest
from tests.workflows.test_cli import invoke
from workflows.cli.app import app

SMALL = ("--profile", "smoke", "--days", "2", "--answers-per-day", "50", "--users", "20")


def test_a_log_is_generated_summed_up_and_ready_to_be_read(tmp_path: Path) -> None:
    code, text = invoke("logs", "generate", str(tmp_path / "log"), *SMALL, "--first-day", "2026-03-01", "--clean")
    assert code == 0, text
    manifest = read_manifest(tmp_path / "log")
    assert list(manifest["days"]) == ["2026-03-01", "2026-03-02"]
    assert "2026-03-02" in text
    assert f"LLM_AUCTION__CLICK_LOG__SOURCE='{tmp_path}/log/{{date}}/*'" in text
    assert not any(day["faults"] for day in manifest["days"].values())


def test_a_folder_is_told_as_it_is_whatever_rich_would_read_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "[" / "x]" / ":x:"
    code, text = invoke("logs", "generate", str(folder), *SMALL, "--first-day", "2026-03-01", "--clean")
    assert code == 0, text
    assert text.count(str(folder)) == 4


def test_without_a_folder_it_goes_to_the_data_directory_and_ends_yesterday(tmp_path: Path) -> None:
    code, text = invoke("logs", "generate", *SMALL, "--data-dir", str(tmp_path))
    assert code == 0, text
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert list(read_manifest(tmp_path / "traffic")["days"])[-1] == yesterday.isoformat()


def test_rates_and_incidents_are_taken(tmp_path: Path) -> None:
    options = ("--clean", "--first-day", "2026-03-01", "--fault", "duplicate=1", "--incident", "2026-03-02:bad_ts=1")
    code, text = invoke("logs", "generate", str(tmp_path / "log"), *SMALL, *options)
    assert code == 0, text
    first, second = read_manifest(tmp_path / "log")["days"].values()
    assert first["duplicates"] >= 50
    assert first["rejected"] == {}
    assert second["rejected"] == {"bad_ts": 50}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fault", "malformed_json"), "NAME=SHARE"),
        (("--fault", "robot=often"), "NAME=SHARE"),
        (("--incident", "robot=0.1"), "DAY:NAME=SHARE"),
        (("--first-day", "yesterday"), "is not a day"),
    ],
)
def test_wrong_options_say_what_is_meant(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    code, text = invoke("logs", "generate", str(tmp_path / "log"), *SMALL, *options)
    assert code == 2
    assert message in text
    assert not (tmp_path / "log").exists()


def test_a_policy_that_nobody_trained_is_named(tmp_path: Path) -> None:
    options = ("--data-dir", str(tmp_path), "--policy", "llm_auction/07")
    result = CliRunner().invoke(app, ["logs", "generate", *SMALL, *options])
    assert "no model ad_llm/llm_auction/07" in str(result.exception)
    assert not (tmp_path / "traffic").exists()


def test_the_faults_are_listed_with_what_ingestion_must_do() -> None:
    code, text = invoke("logs", "faults")
    assert code == 0
    assert all(name in text for name in FAULTS)


@pytest.mark.parametrize("command", ["generate", "faults"])
def test_the_commands_teach_by_example(command: str) -> None:
    code, text = invoke("logs", command, "--help")
    assert code == 0
    assert f"llm-auction logs {command}" in text
