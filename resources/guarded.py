"""Processes of ours that end with us: started under `process_guard.py`, which ends them even when we are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

GUARD = Path(__file__).with_name("process_guard.py")
_END_SECONDS = 30.0  # longer than the guard's own grace


def start_guarded(
    command: Sequence[str], environment: Mapping[str, str], *, output: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a command that lives until it ends, `end_guarded` is called, or this process is gone.

    Args:
        command: the program and its arguments; no shell reads them. One that can't be started is exit status 127.
        environment: all its variables.
        output: where its standard output and errors go (`subprocess.PIPE`); None leaves them where ours go.
    """
    return subprocess.Popen(
        [sys.executable, "-I", str(GUARD), *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # Ctrl-C is for us; the guard ends the command when we do
    )


def end_guarded(process: subprocess.Popen[bytes]) -> None:
    """End what `start_guarded` started, with all its children; harmless when it has ended."""
    assert process.stdin is not None
    process.stdin.close()  # the guard's sign
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(_END_SECONDS)
