"""What every test relies on: no telemetry, one thread, no profile from the developer's own environment."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

pytest_plugins = ["tests.fixtures"] if find_spec("tests.fixtures") else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that may take longest come first, so that the workers end together; then those with other slow tests.

    Each worker takes a file at a time (`--dist loadfile --no-loadscope-reorder`): a daemon's ten minutes that began
    last would leave the other worker idle. How long a test may take is what its timeout says.
    """
    usual = float(config.getini("timeout"))
    weights: dict[Path, tuple[float, bool]] = {}
    for item in items:
        timeout = item.get_closest_marker("timeout")
        weight = (timeout.args[0] if timeout else usual, item.get_closest_marker("slow") is not None)
        weights[item.path] = max(weights.get(item.path, weight), weight)
    items.sort(key=lambda item: weights[item.path], reverse=True)


@pytest.fixture(autouse=True)
def _no_profile_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the shell that runs the tests don't reach them; a test sets what it needs."""
    for variable in list(os.environ):
        if variable.startswith("LLM_AUCTION") or variable in {"DATA_DIR", "DAGSTER_HOME"}:
            monkeypatch.delenv(variable)
