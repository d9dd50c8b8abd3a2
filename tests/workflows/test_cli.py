"""The command line: help, options, configuration and the errors of its users. Nothing here runs a loop."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from workflows.cli.app import app
from workflows.cli.options import overrides_from, seeds_from
from workflows.cli.progress import duration

COMMANDS = ("run", "evaluate", "report", "profiles", "pretrain", "ui")


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"})
    return result.exit_code, re.sub(r"\x1b\[[0-9;]*m", "", result.output)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(command: str) -> None:
    code, text = invoke(command, "--help")
    assert code == 0
    assert f"llm-auction {command}" in text


def test_help_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "dagster", "polars", "great_expectations", "altair", "pandas")
    code = f"import sys, workflows.cli; print([name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_options_become_overrides_and_set_wins() -> None:
    overrides = overrides_from(["iterations=4", "dpo.beta = 0.2"], iterations=2, arms=None, catalog__source="ads.csv")
    assert overrides == {"iterations": "4", "catalog.source": "ads.csv", "dpo.beta": "0.2"}


@pytest.mark.parametrize("assignment", ["dpo.beta", "=3", ""])
def test_an_assignment_without_a_field_or_a_value_is_refused(assignment: str) -> None:
    with pytest.raises(typer.BadParameter, match="FIELD=VALUE"):
        overrides_from([assignment])


def test_seeds_are_taken_once_each_in_order() -> None:
    assert seeds_from("2, 0,1,0") == [2, 0, 1]


@pytest.mark.parametrize("text", ["", "a", "0,", "-1", "1.5"])
def test_what_is_no_list_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="whole numbers"):
        seeds_from(text)


def test_profiles_are_listed() -> None:
    code, text = invoke("profiles")
    assert code == 0
    assert all(name in text for name in ("smoke", "laptop", "paper"))


def test_a_profile_shows_every_field_and_who_overrides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_AUCTION__DPO__BETA", "0.25")
    code, text = invoke("profiles", "laptop", "--set", "reward.lambda=2")
    assert code == 0
    assert "evaluation.bootstrap_resamples" in text
    assert re.search(r"dpo\.beta +0\.25 .*LLM_AUCTION__DPO__BETA", text)
    assert re.search(r"reward\.lambda_ +2\.0 .*--set", text)
    code, text = invoke("profiles", "laptop", "--changed")
    assert "dpo.beta" in text
    assert "dpo.epochs" not in text


def test_a_wrong_field_is_one_line_that_names_it() -> None:
    command = [
        sys.executable,
        "-c",
        "from workflows.cli import main; main()",
        "profiles",
        "laptop",
        "--set",
        "dpo.bta=1",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: unknown field 'dpo.bta'")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
