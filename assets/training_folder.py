"""The folder that a training writes its checkpoints and its model to: one run at a time, and room on the disk."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import Failure
from filelock import FileLock, Timeout

from resources.storage import StorageError, full_disk, storage_errors, tells_of_full_disk


@contextmanager
def training_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for the training inside, which may remove what lies there.

    Two runs of a partition that were let in at the same moment would otherwise remove each other's checkpoints.

    Raises:
        Failure: another run trains there.
        StorageError: the disk is full, also in the middle of the training, or the folder can't be made.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Failure(
            f"another run is training in {folder}: wait for its end, or terminate it, and materialize ad_llm again",
            allow_retries=False,
        ) from None
    try:
        yield
    except Exception as error:
        # Other errors of a training have causes of their own: a model that is missing, a command that is not there.
        if tells_of_full_disk(str(error)):
            raise StorageError(errno.ENOSPC, full_disk(folder)) from error
        raise
    finally:
        lock.release()
