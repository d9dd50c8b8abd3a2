"""The loop of `llm-auction run` in its worker processes, with the scripted model: resume, failure, Ctrl-C, kill -9."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from dagster import DagsterRunStatus

from resources.model_store import ModelStore
from tests.workflows.stubs.loop_process import Loop, statuses, unfinished

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_run_again_fail_and_go_on(tmp_path: Path, tiny_model_dir: Path) -> None:
    first = Loop(tmp_path, tiny_model_dir, iterations=1)
    result = first.until("result")
    assert first.end() == 0
    assert result["skipped"] == []
    assert set(result["ran"]) >= {"market and base", "llm_auction 01", "oracle 01", "evaluate pretrained", "report"}
    assert (tmp_path / "report" / "report.html").exists()

    # One more iteration: what stands is skipped. The new one of the oracle fails, and the loop says so in one line.
    (tmp_path / "fail-oracle-02").touch()
    second = Loop(tmp_path, tiny_model_dir, iterations=2)
    error = second.until("error")
    assert second.end() == 1
    assert error["type"] == "LoopFailed"
    assert "oracle 02 failed at ad_llm: the scripted training was told to fail" in error["message"]
    assert "\n" not in error["message"]
    skipped = {event["stage"] for event in second.events if event["kind"] == "skipped"}
    assert {"llm_auction 01", "oracle 01"} <= skipped

    (tmp_path / "fail-oracle-02").unlink()
    third = Loop(tmp_path, tiny_model_dir, iterations=2)
    result = third.until("result")
    assert third.end() == 0
    assert {"llm_auction 01", "oracle 01", "evaluate pretrained"} <= set(result["skipped"])
    assert {"oracle 02", "evaluate oracle", "report"} <= set(result["ran"])
    store = ModelStore(data_dir=str(tmp_path))
    for arm in ("llm_auction", "oracle"):
        assert store.resolve("ad_llm", f"{arm}/02").metadata["parent"] == store.resolve("ad_llm", f"{arm}/01").version


def test_interrupted_killed_and_gone_on(tmp_path: Path, tiny_model_dir: Path) -> None:
    (tmp_path / "hold").touch()
    loop = Loop(tmp_path, tiny_model_dir, iterations=1)
    loop.until("step_started", "llm_auction 01")
    other = Loop(tmp_path, tiny_model_dir, iterations=1)
    assert "another `llm-auction run` is at work" in other.until("error")["message"]
    other.end()

    # Ctrl-C: the runs are recorded as ended, no process stays behind.
    workers = loop.workers()
    loop.process.send_signal(signal.SIGINT)
    assert loop.until("error")["type"] == "LoopInterrupted"
    loop.end()
    assert unfinished(tmp_path) == []
    assert not any(map(psutil.pid_exists, workers.values()))

    # kill -9 of a worker in the middle of a step that holds a pool slot: one clear error.
    loop = Loop(tmp_path, tiny_model_dir, iterations=1)
    loop.until("step_started", "llm_auction 01")
    os.kill(loop.workers()["llm_auction 01"], signal.SIGKILL)
    (tmp_path / "hold").unlink()  # the other arm's iteration comes to its end
    message = loop.until("error")["message"]
    loop.end()
    assert "was killed by signal 9" in message
    assert len(unfinished(tmp_path)) >= 1

    # kill -9 of everything, then a run to the end: dead runs are closed, their slots are free.
    (tmp_path / "hold").touch()
    loop = Loop(tmp_path, tiny_model_dir, iterations=1)
    loop.until("step_started", "llm_auction 01")
    for pid in [loop.process.pid, *loop.workers().values()]:
        os.kill(pid, signal.SIGKILL)
    loop.process.wait()
    time.sleep(1)
    (tmp_path / "hold").unlink()
    loop = Loop(tmp_path, tiny_model_dir, iterations=1)
    assert "report" in loop.until("result")["ran"]
    loop.end()
    assert unfinished(tmp_path) == []
    assert DagsterRunStatus.FAILURE in statuses(tmp_path)
