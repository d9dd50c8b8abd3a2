"""The folder of a training's checkpoints: one process holds it, and only its own job goes on from what lies in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

ENDING_SECONDS = 20.0  # a training whose step was killed has a moment to end (resources/process_guard.py)
_JOB = "fingerprint.txt"  # whose checkpoints these are
_LOCK = "training.lock"


@contextmanager
def only_training(checkpoint_dir: Path) -> Iterator[None]:
    """Hold `checkpoint_dir` for the training inside, in the first of its processes.

    Raises:
        ValueError: another process trains there, and still does after the time that one takes which is being ended.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    checkpoint_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(checkpoint_dir / _LOCK)
    try:
        lock.acquire(timeout=ENDING_SECONDS)
    except Timeout:
        raise ValueError(
            f"another process is training with the checkpoints in {checkpoint_dir}: wait for its end, or end it, and "
            "start this training again"
        ) from None
    try:
        yield
    finally:
        lock.release()


def claim(checkpoint_dir: Path, job: str) -> Path | None:
    """The newest complete checkpoint of this very job, if any; what another job or a dying write left is removed."""
    from llm_auction.irpo.dpo import COMPLETE

    note = checkpoint_dir / _JOB
    if not note.is_file() or note.read_text(encoding="utf-8") != job:
        for path in checkpoint_dir.glob("checkpoint-*"):
            shutil.rmtree(path)
        checkpoint_dir.mkdir(parents=True, exist_ok=True)
        note.write_text(job, encoding="utf-8")
        return None
    complete = []
    for path in checkpoint_dir.glob("checkpoint-*"):
        if (path / COMPLETE).is_file():
            complete.append(path)
        else:
            shutil.rmtree(path)
    return max(complete, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)
