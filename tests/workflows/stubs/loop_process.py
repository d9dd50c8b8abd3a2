"""A loop or a study with the scripted model in a process of its own, which a test can stop, kill and start again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from tests.workflows.stubs.deployment import ROOT

RUN = """
import json, signal, sys
from workflows.loop import LoopFailed, LoopInterrupted, run_loop

def show(event):
    print(json.dumps({"kind": event.kind, "stage": event.stage, **event.fields}, default=str), flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # also when the tests run in a shell's background
arguments = json.loads(sys.argv[1])
try:
    result = run_loop("smoke", definitions="tests.workflows.stubs.definitions", on_event=show, **arguments)
    print(json.dumps({"kind": "result", "ran": result.ran, "skipped": result.skipped}))
except (LoopFailed, LoopInterrupted) as error:
    print(json.dumps({"kind": "error", "type": type(error).__name__, "message": str(error)}))
    sys.exit(1)
"""


class Loop:
    """A loop in a process of its own."""

    def __init__(self, data_dir: Path, model: Path, **arguments: Any) -> None:
        overrides = {"ad_llm.base": str(model), "pctr.max_epochs": "2"}
        overrides |= arguments.pop("overrides", {})
        options = {"data_dir": str(data_dir), "overrides": overrides, **arguments}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RUN, json.dumps(options)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.events: list[dict[str, Any]] = []

    def until(self, kind: str, stage: str | None = None) -> dict[str, Any]:
        """Read on to the next event of a kind and stage."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            if event["kind"] == kind and stage in (None, event.get("stage")):
                return event
        raise AssertionError(f"no {kind} of {stage} among {self.events[-5:]}")

    def workers(self) -> dict[str, int]:
        """The process of every stage that has been started so far."""
        return {event["stage"]: event["pid"] for event in self.events if event["kind"] == "started"}

    def end(self) -> int:
        return self.process.wait(timeout=120)


def unfinished(data_dir: Path) -> list[str]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(data_dir / "dagster_home"))
        with DagsterInstance.get() as instance:
            return [run.run_id for run in instance.get_runs() if not run.is_finished]


def statuses(data_dir: Path) -> list[DagsterRunStatus]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(data_dir / "dagster_home"))
        with DagsterInstance.get() as instance:
            return [run.status for run in instance.get_runs()]
