"""A tiny random model for the preference optimisation tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.tiny_qwen3 import write_tiny_qwen3


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_qwen3(tmp_path_factory.mktemp("irpo") / "model")
