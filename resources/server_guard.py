"""Keeps a server alive exactly as long as the process that asked for it: `python server_guard.py COMMAND...`.

The parent holds the other end of this process's standard input and never writes to it. When the parent closes it, or
dies in whatever way, kill -9 included, the input ends, and the guard ends the server with all its children. It imports
nothing heavy: it must be there before the server is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

GRACE_SECONDS = 10.0


def main(command: list[str]) -> int:
    """Run the command until it ends or standard input does; the exit status is the command's."""
    try:
        # A process group of its own: its children can be ended with it, and without the guard.
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"can't start {command[0]}: {error.strerror}", flush=True)
        return 127
    signal.signal(signal.SIGTERM, lambda *_: _end(server))
    threading.Thread(target=_end_with_parent, args=[server], daemon=True).start()
    status = server.wait()
    _signal(server, signal.SIGKILL)  # what the server left behind would hold the GPU as well as it did
    return status if status >= 0 else 128 - status


def _end_with_parent(server: subprocess.Popen[bytes]) -> None:
    # Not by way of sys.stdin, whose lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    _signal(server, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(GRACE_SECONDS)
    _signal(server, signal.SIGKILL)


def _signal(server: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
