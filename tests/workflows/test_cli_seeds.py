"""Several seeds by one command: evaluated one after the other, pooled in one report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from tests.workflows.command_line import invoke
from workflows.cli.app import app


@pytest.mark.parametrize("command", ["run", "evaluate", "report"])
def test_seed_and_seeds_exclude_each_other(command: str) -> None:
    code, text = invoke(command, "--seed", "1", "--seeds", "0,1")
    assert code == 2
    assert "can't go together" in text


@dataclass
class Pooling:
    """Stands in for the pooled report: keeps what it was asked for."""

    asked: list[tuple[dict[int, Path], dict[str, str]]] = field(default_factory=list)

    def __call__(
        self, folders: dict[int, Path], profile: str | None, overrides: dict[str, str], data_dir: Path
    ) -> SimpleNamespace:
        self.asked.append((folders, overrides))
        (data_dir / "report").mkdir(exist_ok=True)
        (data_dir / "report" / "results.json").write_text("[]")
        return SimpleNamespace(html=data_dir / "report" / "report.html", results=data_dir / "report" / "results.json")


def test_seeds_are_evaluated_one_after_the_other_and_pooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def started(command: list[str], *, check: bool) -> SimpleNamespace:
        commands.append(command[3:])
        return SimpleNamespace(returncode=0)

    pooling = Pooling()
    monkeypatch.setattr("workflows.cli.evaluate.subprocess.run", started)
    monkeypatch.setattr("workflows.cli.pooled_report.pool_seeds", pooling)
    options = ["-m", "mosaic", "--property", "quality", "--profile", "smoke", "--set", "reward.ad_weight=2"]
    code, text = invoke("evaluate", *options, "--seeds", "0,3", "--data-dir", str(tmp_path))
    assert code == 0, text
    same = ["--mechanism", "mosaic", "--property", "quality", "--profile", "smoke", "--set", "reward.ad_weight=2"]
    assert commands == [
        ["evaluate", *same, "--seed", str(seed), "--data-dir", str(tmp_path / f"seed{seed}")] for seed in (0, 3)
    ]
    folders = {seed: tmp_path / f"seed{seed}" for seed in (0, 3)}
    assert pooling.asked == [(folders, {"reward.ad_weight": "2"})]


def test_a_seed_that_fails_ends_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooling = Pooling()
    monkeypatch.setattr("workflows.cli.evaluate.subprocess.run", lambda *_, **__: SimpleNamespace(returncode=7))
    monkeypatch.setattr("workflows.cli.pooled_report.pool_seeds", pooling)
    code, _ = invoke("evaluate", "--profile", "smoke", "--seeds", "0,1", "--data-dir", str(tmp_path))
    assert (code, pooling.asked) == (7, [])


def test_a_pooled_report_takes_the_settings_of_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooling = Pooling()
    monkeypatch.setattr("workflows.cli.pooled_report.pool_seeds", pooling)
    options = ["--set", "ablations.train_queries=none", "--data-dir", str(tmp_path), "--path"]
    assert invoke("report", "--profile", "smoke", "--seeds", "0,1", *options)[0] == 0
    assert [overrides for _, overrides in pooling.asked] == [{"ablations.train_queries": "none"}]
    code, text = invoke("report", *options)
    assert code == 2 and "--seeds" in text


@pytest.mark.parametrize("named", [["--profile", "smoke"], []])
def test_a_seed_without_results_is_told_with_the_command_that_makes_them(
    named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_AUCTION_PROFILE", "smoke")
    result = CliRunner().invoke(app, ["report", *named, "--seeds", "0,3", "--data-dir", str(tmp_path)])
    command = f"llm-auction run --profile smoke --seed 0 --data-dir {tmp_path / 'seed0'}"
    assert f"seed 0 has no results in {tmp_path / 'seed0'}" in str(result.exception)
    assert f"run `{command}`" in str(result.exception)
