"""Log lines of running steps, handed to whoever watches the run in this process (the command line)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dagster import InitLoggerContext, logger

Listener = Callable[[str], None]
_listeners: list[Listener] = []


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        message = meta.get("orig_message") if isinstance(meta, dict) else None
        if message and not meta.get("dagster_event"):
            for listener in list(_listeners):
                listener(message)


@logger(description="Forwards the messages of steps to the process that runs them; run config `loggers: progress`.")
def progress_logger(context: InitLoggerContext) -> logging.Logger:
    """A logger that only forwards."""
    forward = logging.Logger("progress", logging.INFO)
    forward.addHandler(_Forward())
    return forward


def listen(listener: Listener) -> Callable[[], None]:
    """Call `listener` with each message from now on; the function returned ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)
