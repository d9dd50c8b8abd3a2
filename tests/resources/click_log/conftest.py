from __future__ import annotations

from pathlib import Path

import pytest

from resources.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(data_dir=str(tmp_path / "data"))
