"""The pool of the loop's workers: what it makes of one that dies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workflows.worker_pool import WorkerPool

# What a worker is killed in the middle of saying.
DYING = """#!/bin/sh
read order
echo '{"event": "progress", "stage": "evaluate", "message": "half done"}'
printf '{"event": "progress", "sta'
kill -KILL $$
"""


@pytest.mark.timeout(20)
def test_a_worker_killed_in_the_middle_of_a_line_is_heard_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker"
    worker.write_text(DYING)
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    with WorkerPool(1, 1, tmp_path / "logs", "unused") as pool:
        pool.order({"stage": {}}, "evaluate")
        assert pool.next_answer()["message"] == "half done"
        failure = pool.next_answer()
        assert failure["event"] == "failed"
        assert "killed by signal 9, out of memory perhaps" in failure["message"]
        assert (pool.busy, pool.idle) == (False, 0)
