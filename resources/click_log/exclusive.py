"""One run of a day of delivery at a time, whatever started it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from resources.lake import Lake
from resources.storage import storage_errors


class DayInProgressError(RuntimeError):
    """Another run is taking the same day in; the message says what to do."""


@contextmanager
def only_run_of(day: str, lake: Lake) -> Iterator[None]:
    """Keep other runs off a day until the block ends, or until the process that runs it does.

    The run queue keeps two runs of a day apart; those that were started past it meet here: tables of two runs, which
    may have seen different files, must not mix.

    Raises:
        DayInProgressError: another run has the day.
        StorageError: the data directory can't be written.
    """
    path = lake.root / f".click_log-{day}.lock"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise DayInProgressError(
                f"another run is taking in the files of {day}: wait until it has ended and run the day again, if files "
                "have come since. Runs that the daemon starts wait for each other"
            ) from error
    try:
        yield
    finally:
        lock.release()
