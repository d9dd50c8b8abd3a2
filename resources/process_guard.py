"""Keeps a command alive exactly as long as the process that asked for it: `python process_guard.py COMMAND...`.

The parent holds the other end of this process's standard input and never writes to it (`resources/guarded.py`). When
the parent closes it, or dies in whatever way, kill -9 included, the input ends, and the guard ends the command with all
its children. It imports nothing heavy: it must be there before the command is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import psutil

GRACE_SECONDS = 10.0
_PR_SET_CHILD_SUBREAPER = 36  # of Linux's <sys/prctl.h>


def main(command: list[str]) -> int:
    """Run the command until it ends or standard input does; the exit status is the command's."""
    _adopt_orphans()
    try:
        # A process group of its own: its children can be ended with it, and without the guard.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"can't start {command[0]}: {error.strerror}", flush=True)
        return 127
    signal.signal(signal.SIGTERM, lambda *_: _end(process))
    threading.Thread(target=_end_with_parent, args=[process], daemon=True).start()
    status = process.wait()
    _kill(process)  # what the command left behind would hold the GPU as well as it did
    return status if status >= 0 else 128 - status


def _adopt_orphans() -> None:
    """Children whose own parent has died become this process's, so that they are still found.

    torchrun puts each of its workers into a session of its own, where no signal to a group reaches them.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_with_parent(process: subprocess.Popen[bytes]) -> None:
    # Not by way of sys.stdin, whose lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command's group, and the children that left it."""
    left = psutil.Process().children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
