"""A file system of a few megabytes, to fill up: a process that sees it, without any privilege."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Any user may mount a file system of their own in a user namespace of their own.
_COMMAND = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
_MOUNT = 'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'


def run_on_a_small_disk(code: str, folder: Path, size: str = "12m") -> None:
    """Run Python code in a process that sees `folder` as a file system of its own, and assert that it succeeds."""
    folder.mkdir(exist_ok=True)
    mounted = [*_COMMAND, _MOUNT.format(size=size), str(folder)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs a small file system: unshare (util-linux) and user namespaces")
    done = subprocess.run([*mounted, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def fill_up(folder: Path) -> Path:
    """Fill the disk of `folder` to the last block; returns the file that does it."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free)
    return filler
