"""What several tests of assets stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_auction.pctr.model import PctrModel
from tests.known_policies import load_reward_model, write_known_log


@pytest.fixture
def known_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of a log of policies whose probabilities are known, with a reward model to match."""
    monkeypatch.setattr(PctrModel, "load", load_reward_model)
    write_known_log(tmp_path)
    return tmp_path
