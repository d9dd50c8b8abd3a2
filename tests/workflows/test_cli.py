"""The command line: help, options, configuration and the errors of its users. Nothing here runs a loop."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from workflows.cli.app import app
from workflows.cli.options import overrides_from, seeds_from
from workflows.cli.progress import LoopDisplay, duration
from workflows.cli.results_table import print_results, results_table

COMMANDS = ("run", "evaluate", "study", "report", "profiles", "pretrain", "nightly", "ui")


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"})
    return result.exit_code, re.sub(r"\x1b\[[0-9;]*m", "", result.output)


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


def played(events: list[tuple[str, str, dict[str, object]]], *, terminal: bool = False) -> str:
    from workflows.loop import LoopEvent

    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with LoopDisplay(console) as display:
        for kind, stage, fields in events:
            display(LoopEvent(kind, stage, fields))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


LOOP = [
    (
        "planned",
        "",
        {"stages": {"market and base": 0.1, "llm_auction 01": 1.0, "evaluate mosaic": 0.7, "report": 0.1}},
    ),
    ("skipped", "market and base", {}),
    ("started", "llm_auction 01", {}),
    ("step_started", "llm_auction 01", {"step": "ad_responses"}),
    ("progress", "llm_auction 01", {"message": "answers sampled: 10 of 400"}),
    ("check_failed", "llm_auction 01", {"check": "ad_llm: tuned_against_base", "severity": "WARN"}),
    ("done", "llm_auction 01", {"seconds": 62.0, "metrics": {"pctr_model": {"after/auc": 0.78125}}}),
    ("started", "evaluate mosaic", {}),
    ("failed", "evaluate mosaic", {"message": "no disk"}),
]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_loop_tells_what_happens(terminal: bool) -> None:
    text = played(LOOP, terminal=terminal)
    assert "market and base: there already" in text
    assert "llm_auction 01: check failed, warn: ad_llm: tuned_against_base" in text
    assert "llm_auction 01: done in 1 min 02 s; pCTR AUC 0.781" in text
    assert "evaluate mosaic: failed" in text


def test_plain_output_has_no_control_sequences_and_estimates_the_time_to_go() -> None:
    text = played(LOOP)
    assert "\x1b" not in text
    # 0.7 of an iteration for the evaluation and 0.1 for the report, at 62 s an iteration.
    assert "evaluate mosaic: started (2 of 4 stages, 0 s, about 50 s to go)" in text


def test_a_message_of_many_lines_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.cli.progress.QUIET_SECONDS", -1.0)
    text = played([*LOOP[:4], ("progress", "llm_auction 01", {"message": f"{'x' * 300}\nsecond line"})])
    assert "second line" not in text
    assert max(map(len, text.splitlines())) < 160


def record(metric: str, value: float, **fields: object) -> dict[str, object]:
    defaults = {
        "profile": "laptop",
        "seed": 0,
        "seeds": [0],
        "mechanism": "llm_auction",
        "iteration": "03",
        "variant": None,
        "ci_low": None,
        "ci_high": None,
        "n": 100,
        "table": "mechanism_outcomes",
    }
    return {**defaults, "metric": metric, "value": value, **fields}


def shown(records: list[dict[str, object]]) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(results_table(records))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_results_are_shown_with_their_intervals() -> None:
    text = shown(
        [
            record("revenue_per_query", 45.6, ci_low=41.0, ci_high=50.25),
            record("format_error_rate", 0.015),
            record("pctr_auc", 0.78, table="pctr_model"),
            record("revenue_per_query", 19.5, mechanism="pretrained", iteration=None),
        ]
    )
    assert "profile laptop, seed 0; 95 % intervals over 100 test queries" in text
    assert re.search(r"LLM-Auction +45\.60", text)
    assert re.search(r"iteration 3 +\(41\.00–50\.25\)", text)
    assert re.search(r"Pretrained +19\.50", text)
    assert "0.78" not in text


def test_pooled_figures_take_the_place_of_those_of_each_seed() -> None:
    text = shown(
        [
            record("revenue_per_query", 45.6, seed=0),
            record("revenue_per_query", 47.1, seed=None, seeds=[0, 1]),
        ]
    )
    assert "47.10" in text
    assert "45.60" not in text
    assert "seeds 0, 1" in text


@pytest.mark.parametrize("content", [None, "{not json"])
def test_missing_or_damaged_figures_are_a_clear_error(tmp_path: Path, content: str | None) -> None:
    results = tmp_path / "results.json"
    if content is not None:
        results.write_text(content)
    with pytest.raises(ValueError, match=r"results\.json"):
        print_results(Console(file=io.StringIO()), results)


def test_the_report_of_a_run_is_found_and_a_missing_one_is_named(tmp_path: Path) -> None:
    code, _ = invoke("report", "--path", "--data-dir", str(tmp_path))
    assert code != 0
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("<p>")
    code, text = invoke("report", "--path", "--data-dir", str(tmp_path))
    assert (code, text.strip()) == (0, str(tmp_path / "report" / "report.html"))


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
