"""Writes that are complete or absent: aside first, flushed to disk, then renamed; one clear error when that fails."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

# In turn: the system, DuckDB, SQLite, and all that torch.save says of a write that was cut short.
_FULL = ("No space left on device", "max_temp_directory_size", "database or disk is full", "unexpected pos")
_SQLITE_FAILED = "disk I/O error"  # of a full disk, and of one that is broken
ROOM = 1 << 20  # bytes; nothing can be done with less


class StorageError(OSError):
    """The data directory can't take a write: full, read-only or not ours. Nothing half-written is left in place."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of a write to `path` into one StorageError that says what to do.

    Polars, DuckDB and torch wrap some of their write errors in their own exceptions' text, so a full disk is recognised
    there too; DuckDB stops spilling when the disk is nearly full.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT) or tells_of_full_disk(str(error)):
            raise StorageError(number or errno.ENOSPC, full_disk(path)) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise StorageError(
                number, f"can't write {path} ({os.strerror(number)}): set DATA_DIR to a directory that you may write to"
            ) from error
        if isinstance(error, OSError):
            raise StorageError(number or errno.EIO, f"can't write {path}: {error}") from error
        raise


def tells_of_full_disk(message: str) -> bool:
    """Whether a library's or program's message says that the disk is full."""
    return any(sign in message for sign in _FULL)


def told_of_full_disk(error: Exception, folder: Path) -> str | None:
    """What to say of an error when a full disk of `folder` is behind it, as under Dagster's own records; else None.

    SQLite often says no more of a full disk than that it failed: the free space decides.
    """
    message = str(error)
    if tells_of_full_disk(message) or (_SQLITE_FAILED in message and shutil.disk_usage(folder).free < ROOM):
        return full_disk(folder)
    return None


def full_disk(path: Path) -> str:
    """What to say when `path` could not be written for want of space."""
    return f"the disk is full: {path} was not written. Free some space and run it again"


def aside_path(root: Path) -> Path:
    """A fresh path below `root/.aside`, on the same file system as its final place, so that a rename is atomic.

    What killed processes have left there is removed.
    """
    folder = root / ".aside"
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    return folder / own_name()


def own_name() -> str:
    """A fresh name for what this process needs for a while; `remove_abandoned` reads off it whose it is."""
    return f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex}"


def remove_abandoned(folder: Path) -> None:
    """Remove everything with an `own_name` from a folder whose process, on this machine, is no more."""
    ours = re.compile(rf"{re.escape(platform.node())}-(?P<process>\d+)-\w+")
    for path in folder.iterdir():
        name = ours.fullmatch(path.name)
        if name is not None and not psutil.pid_exists(int(name["process"])):
            with suppress(OSError):  # another process may be faster
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def flush_to_disk(path: Path) -> None:
    """fsync a file, or a directory's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` to a file that nobody reads yet, down to the disk."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
    flush_to_disk(path)


def write_json_atomically(path: Path, content: Mapping[str, Any], root: Path) -> None:
    """Write `content` to `path`: a reader sees the old file or the new one, never a part. `root` holds the asides."""
    aside = aside_path(root)
    try:
        write_json(aside, content)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(aside, path)
        flush_to_disk(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def one_at_a_time(lock_file: Path) -> Iterator[None]:
    """Wait until no other process is in a block with this lock file: for what is read, changed and written again.

    Raises:
        StorageError: the lock file can't be made.
    """
    lock = FileLock(lock_file)
    with storage_errors(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
