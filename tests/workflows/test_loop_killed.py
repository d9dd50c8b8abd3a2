"""A loop whose worker processes are interrupted and killed, with the scripted model; two arms side by side."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from dagster import DagsterRunStatus

from tests.workflows.stubs.loop_process import Loop, statuses, unfinished

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


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
