"""`bid_monotonicity`: a model that follows the bids beside one that ignores them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.bid_curves import bid_monotonicity
from llm_auction.evaluation.monotonicity import LADDER, bid_responses
from llm_auction.evaluation.outcomes import Contender
from resources.lake import Lake
from tests.evaluated_market import build_market, run


def test_curves_of_every_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        result = run(tmp_path, bid_monotonicity, instance)
    frame = Lake(data_dir=str(tmp_path)).read("bid_monotonicity")
    assert frame.height == 3 * len(LADDER) * 10
    found = bid_responses(frame, 100, seed=0)
    follows, ignores = found[Contender("llm_auction", "02")], found[Contender("pretrained")]
    assert follows.pooled_spearman > 0.5 and follows.violation_share.value == 0.0
    assert ignores.query_spearman.value is None
    metadata = result.asset_materializations_for_node("bid_monotonicity")[0].metadata
    assert "llm_auction iteration 02" in metadata["summary"].value and "base64" in metadata["curves"].value
