"""What running steps report, handed to whoever runs them in this process: log lines and Dagster's own events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dagster import DagsterEvent, InitLoggerContext, LoggerDefinition

Listener = Callable[[str | DagsterEvent], None]
_listeners: list[Listener] = []


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None)
        if not isinstance(meta, dict):
            return
        item = meta.get("dagster_event") or meta.get("orig_message")
        # dagster-dbt says which command it runs, at full length.
        if item and not (isinstance(item, str) and "dbt command: `" in item):
            for listener in list(_listeners):
                listener(item)


def _forwarding_logger(_: InitLoggerContext) -> logging.Logger:
    forward = logging.Logger("progress", logging.DEBUG)
    forward.addHandler(_Forward())
    return forward


progress_logger = LoggerDefinition(
    _forwarding_logger,
    description="Forwards what steps report to the process that runs them (run config: `loggers: progress`).",
)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` with everything that steps report in this process meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
