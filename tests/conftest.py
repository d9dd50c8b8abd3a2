"""What every test relies on: no telemetry, one thread, no profile from the developer's own environment."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

pytest_plugins = ["tests.fixtures"] if find_spec("tests.fixtures") else []


@pytest.fixture(autouse=True)
def _no_profile_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the shell that runs the tests don't reach them; a test sets what it needs."""
    for variable in list(os.environ):
        if variable.startswith("LLM_AUCTION") or variable in {"DATA_DIR", "DAGSTER_HOME"}:
            monkeypatch.delenv(variable)
