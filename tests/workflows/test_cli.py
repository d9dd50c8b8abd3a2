"""The command line: help, options, configuration and the errors of its users. Nothing here runs a loop."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tests.workflows.command_line import invoke
from workflows.cli.options import overrides_from, seeds_from

COMMANDS = ("run", "evaluate", "study", "report", "profiles", "pretrain", "nightly", "ui")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(command: str) -> None:
    code, text = invoke(command, "--help")
    assert code == 0
    assert f"llm-auction {command}" in text


def test_the_program_teaches_where_to_start_and_says_its_version() -> None:
    code, text = invoke("--help")
    assert code == 0
    assert "Start with llm-auction run" in text
    assert all(command in text for command in (*COMMANDS, "logs", "models"))
    assert invoke("--version") == (0, "llm-auction 0.1.0\n")


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


def test_the_profile_that_is_taken_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLM_AUCTION_PROFILE", raising=False)
    assert re.findall(r"^(\w+) \*", invoke("profiles")[1], re.MULTILINE) == ["laptop"]
    (tmp_path / ".env").write_text("LLM_AUCTION_PROFILE=smoke\n")
    assert re.findall(r"^(\w+) \*", invoke("profiles")[1], re.MULTILINE) == ["smoke"]
    monkeypatch.setenv("LLM_AUCTION_PROFILE", "paper")
    assert re.findall(r"^(\w+) \*", invoke("profiles")[1], re.MULTILINE) == ["paper"]


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


@pytest.mark.parametrize("source", ["[a-z]*.csv", "[/x]/a.csv", ":x:.csv", "a[bold]b.csv"])
def test_a_value_is_shown_as_it_is_whatever_rich_would_read_in_it(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    code, text = invoke("profiles", "smoke", "--changed", "--set", f"catalog.source={source}")
    assert code == 0
    assert re.search(rf"catalog\.source +{re.escape(source)} .*<- --set, was none", text)
    monkeypatch.setenv("LLM_AUCTION__CATALOG__SOURCE", source)
    assert source in invoke("profiles", "smoke", "--changed")[1]


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


def test_an_unknown_mechanism_is_refused_before_anything_runs(tmp_path: Path) -> None:
    code, text = invoke("evaluate", "--mechanism", "mosiac", "--data-dir", str(tmp_path / "state"))
    assert code == 2
    assert "choose among" in text
    assert not (tmp_path / "state").exists()


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, text = invoke("ui", "--profile", "smoke", "--data-dir", str(tmp_path / "data"), "--port", port)
    assert code == 2
    assert f"port {port} can't be taken" in text
    assert not (tmp_path / "data").exists()


def test_an_unknown_property_is_refused_before_anything_runs(tmp_path: Path) -> None:
    code, text = invoke("evaluate", "--property", "continuty", "--data-dir", str(tmp_path / "state"))
    assert code == 2
    assert "choose among" in text and "continuity" in text
    assert not (tmp_path / "state").exists()


def test_pretraining_can_be_tried_on_a_share_of_its_steps() -> None:
    from llm_auction.base.pretrain import PretrainConfig
    from workflows.cli.pretrain import _shortened

    whole = PretrainConfig()
    short = _shortened(whole, 0.01)
    assert len(short.stages) == len(whole.stages)
    assert 0 < short.steps <= 0.02 * whole.steps
    assert _shortened(whole, 1.0) == whole
