"""`llm-auction study`: what it goes on without, what it does not do twice, and a `kill -9` in the middle."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from llm_auction.profiles import load_profile
from resources.lake import Lake
from resources.model_store import ModelStore
from tests.synthetic_study import synthetic_run
from tests.workflows.stubs.loop_process import Loop, unfinished
from workflows.cli import pooled_report, study
from workflows.cli.app import app
from workflows.freshness import run_tags
from workflows.loop import LoopEvent, LoopFailed, LoopResult, _run_stages
from workflows.stages import Stage, property_stage


class ScriptedPool:
    """One worker that fails the stages it is told to fail, and dies with those in `deadly`."""

    def __init__(self, failing: Sequence[str] = (), deadly: Sequence[str] = ()) -> None:
        self.failing, self.deadly, self.ordered = failing, deadly, []
        self.idle, self.busy = 1, False

    def __enter__(self) -> ScriptedPool:
        return self

    def __exit__(self, *_: object) -> None: ...

    def order(self, order: dict[str, Any], name: str) -> None:
        self.ordered.append(name)
        self.idle, self.busy = 0, True

    def next_answer(self) -> dict[str, Any]:
        name = self.ordered[-1]
        self.idle, self.busy = int(name not in self.deadly), False
        if name in (*self.failing, *self.deadly):
            return {"event": "failed", "stage": name, "message": f"{name} failed: told to"}
        return {"event": "done", "stage": name, "seconds": 1.0}


STAGES = [
    Stage("a", "job"),
    Stage("b", "job", after=("a",)),
    Stage("c", "job", after=("b",)),
    Stage("d", "job", after=("a",)),
    Stage("report", "job", after=("c", "d"), needs_all=False),
]


def test_a_study_goes_on_with_what_does_not_need_what_failed() -> None:
    events: list[LoopEvent] = []
    pool = ScriptedPool(failing=["b"])
    skipped, failed = _run_stages(STAGES, pool, False, True, events.append)  # type: ignore[arg-type]
    assert (pool.ordered, skipped) == (["a", "b", "d", "report"], [])
    assert failed == {"b": "b failed: told to", "c": "c was left out: b failed"}
    assert [event.stage for event in events if event.kind == "failed"] == ["b", "c"]


def test_a_loop_ends_with_its_first_failure() -> None:
    pool = ScriptedPool(failing=["b"])
    with pytest.raises(LoopFailed, match="b failed: told to"):
        _run_stages(STAGES, pool, False, False, lambda event: None)  # type: ignore[arg-type]
    assert pool.ordered == ["a", "b"]


def test_a_study_whose_workers_are_all_gone_ends() -> None:
    with pytest.raises(LoopFailed, match="b failed"):
        _run_stages(STAGES, ScriptedPool(deadly=["b"]), False, True, lambda event: None)  # type: ignore[arg-type]


def test_a_check_is_done_again_for_other_sizes_and_other_tables(tmp_path: Path) -> None:
    lake, store = Lake(data_dir=str(tmp_path)), ModelStore(data_dir=str(tmp_path))

    def tags(name: str, **changes: str) -> dict[str, str]:
        fields = {field.replace("__", "."): value for field, value in changes.items()}
        return run_tags(property_stage(name), load_profile("smoke", fields), lake, store)

    before = tags("quality")
    assert tags("continuity") != tags("continuity", properties__continuity_answers="9")
    assert tags("continuity") == tags("continuity", iterations="5", ablations__sweep_iterations="2")
    folder = lake.path("mechanism_outcomes", {"mechanism": "pretrained"})
    folder.mkdir(parents=True)
    (folder / "_SUCCESS").write_text('{"sha256": "0123456789abcdef0123"}')
    assert tags("quality") != before


def test_the_page_names_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each seed's own page its failures, the pooled one those of all; a page without failures is left as it is."""
    failed: dict[int, dict[str, str]] = {0: {}, 1: {"continuity": "continuity failed: <no> answers"}}
    environment = SimpleNamespace(data_dir=tmp_path)
    results = {seed: LoopResult(environment, (), (), 1.0, reasons) for seed, reasons in failed.items()}  # type: ignore[arg-type]
    monkeypatch.setattr(study, "_run_seeds", lambda *_: results)
    monkeypatch.setattr(study, "_print_times", lambda *_: None)
    monkeypatch.setattr(pooled_report, "_run_of", lambda seed, *_: replace(synthetic_run(seed, 4), continuity=None))
    arguments = ["study", "--profile", "smoke", "--seeds", "0,1", "--data-dir", str(tmp_path)]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "160", "NO_COLOR": "1"})
    assert done.exit_code == 1 and "seed 1: continuity failed: <no> answers" in done.output
    pooled = (tmp_path / "report" / "report.html").read_text()
    assert "What failed" in pooled and "seed 1: continuity failed: &lt;no&gt; answers" in pooled
    assert "<li>continuity failed: &lt;no&gt; answers</li>" in (tmp_path / "seed1/report/report.html").read_text()
    assert not (tmp_path / "seed0").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_and_gone_on_with(tmp_path: Path, tiny_model_dir: Path) -> None:
    small = {
        "arms": "llm_auction",
        "ablations.arms": "[]",
        "evaluation.best_of": "[1, 3]",
        "evaluation.mosaic_candidates": "3",
        "properties.bid_queries": "3",
        "properties.continuity_step": "33",
        "properties.best_response_rounds": "1",
        "properties.reserve_queries": "3",
    }
    study = Loop(tmp_path, tiny_model_dir, study=True, iterations=None, overrides={**small, "iterations": "1"})
    study.until("done", "monotonicity")
    study.until("started")
    worker = next(reversed(study.workers().values()))
    study.process.send_signal(signal.SIGKILL)
    study.process.wait()
    deadline = time.monotonic() + 120
    while psutil.pid_exists(worker) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not psutil.pid_exists(worker), "a worker outlives the study that was killed"

    done = {event["stage"] for event in study.events if event["kind"] == "done"}
    again = Loop(tmp_path, tiny_model_dir, study=True, iterations=None, overrides={**small, "iterations": "1"})
    result = again.until("result")
    assert again.end() == 0
    assert done - {"market and base"} <= set(result["skipped"])
    assert {"incentives", "quality", "evaluate best_of_n", "report"} <= set(result["ran"])
    assert unfinished(tmp_path) == []
    third = Loop(tmp_path, tiny_model_dir, study=True, iterations=None, overrides={**small, "iterations": "1"})
    assert third.until("result")["ran"] == ["market and base", "report"]
    third.end()
    assert (tmp_path / "report" / "report.html").is_file()
