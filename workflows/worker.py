"""A worker process of the loop: runs the stages it is told on its standard input, one JSON line each.

Answers on standard output, JSON lines as well: {"event": ..., "stage": ..., ...}. Whatever else a stage prints goes to
the worker's log. Definitions and torch are loaded once for all its stages.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

GRACE_SECONDS = 10.0


def main() -> None:
    """Serve until standard input ends. The argument names the module whose `defs` are run."""
    # A parent that ignores Ctrl-C (nohup, a shell's background job) hands that down; the pool ends workers by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Steps may print: what they write to descriptor 1 must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        serve(sys.argv[1], sys.stdin, answers)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _end_with(parent: int) -> None:
    """Interrupt this process once its parent is gone, and end it if that takes long.

    A parent that was killed can't end its workers, and the next run would do the stage that they go on with as well.
    """
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def serve(module: str, orders: TextIO, answers: TextIO) -> None:
    """Run each ordered stage and report it as `done`, `skipped` or `failed`."""
    from dagster import DagsterInstance

    from llm_auction.profiles import load_profile
    from resources.lake import Lake
    from resources.model_store import ModelStore
    from resources.storage import told_of_full_disk
    from workflows.execution import StageFailed, execute_stage
    from workflows.freshness import made_by_other_code, run_tags, stands
    from workflows.stages import Stage

    defs = import_module(module).defs
    profile = load_profile()
    lake, store = Lake(data_dir=os.environ["DATA_DIR"]), ModelStore(data_dir=os.environ["DATA_DIR"])
    with DagsterInstance.get() as instance:
        for line in orders:
            order = json.loads(line)
            stage = Stage.from_dict(order["stage"])

            def emit(event: str, fields: Mapping[str, Any], name: str = stage.name) -> None:
                answers.write(json.dumps({"event": event, "stage": name, **fields}, default=str) + "\n")

            try:
                tags = run_tags(stage, profile, lake, store)
                if not order["force"] and stands(stage, profile, lake, store, instance, tags):
                    emit("skipped", {"other_code": made_by_other_code(stage, defs, instance)})
                    continue
                emit("started", {"pid": os.getpid()})
                emit("done", execute_stage(defs, instance, stage, tags, emit))
            except StageFailed as error:
                emit("failed", {"message": str(error)})
            except Exception as error:  # whatever it is, the loop must hear of it rather than wait for ever
                reason = told_of_full_disk(error, Path(os.environ["DATA_DIR"])) or error
                emit("failed", {"message": f"{stage.name} failed: {reason}"})


if __name__ == "__main__":
    main()
