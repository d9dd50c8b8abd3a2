"""`dagster dev` with the path of real logs, whose modelling and refits are scripted (`production`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from tests.workflows.stubs.deployment import Deployment


@contextmanager
def production_deployment(data_dir: Path, log: Path, newest: date) -> Iterator[Deployment]:
    """The deployment of a log whose days stand in folders of their own, with partitions up to `newest`."""
    settings = {
        "LLM_AUCTION__CLICK_LOG__SOURCE": f"{log}/{{date}}/*",
        "LLM_AUCTION__CLICK_LOG__START_DATE": (newest - timedelta(days=20)).isoformat(),
        "LLM_AUCTION__CLICK_LOG__MAX_REJECTED_SHARE": "0.5",
        "LLM_AUCTION__SCHEDULE__CRON": "* * * * *",
    }
    started = Deployment(data_dir, "tests.workflows.stubs.production", settings)
    try:
        yield started
    finally:
        started.close()
