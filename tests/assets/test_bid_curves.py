"""`bid_monotonicity`: a model that follows the bids beside one that ignores them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from assets.bid_curves import bid_monotonicity
from assets.incentives import incentive_report
from llm_auction.evaluation.monotonicity import LADDER, bid_responses
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.probes import stretched
from resources.lake import Lake
from tests.evaluated_market import build_market, run


def test_curves_of_every_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        result = run(tmp_path, bid_monotonicity, instance)
    frame = Lake(data_dir=str(tmp_path)).read("bid_monotonicity")
    # Three Ad-LLMs, RAG-Auction and MOSAIC at three temperatures.
    assert frame.height == (3 + 1 + 3) * len(LADDER) * 10
    found = bid_responses(frame, 100, seed=0)
    follows, ignores = found[Contender("llm_auction", "02")], found[Contender("pretrained")]
    assert follows.pooled_spearman.value > 0.5 and follows.violation_share.value == 0.0
    assert ignores.query_spearman.value is None
    for contender in (Contender("rag_auction", None, "k=1"), Contender("mosaic", None, "tau=10")):
        # The reward model of this market is the user itself, so that no bid can cost clicks.
        assert found[contender].violation_share.value == 0.0 and found[contender].answers == 0
    metadata = result.asset_materializations_for_node("bid_monotonicity")[0].metadata
    assert "LLM-Auction, iteration 2" in metadata["summary"].value and "base64" in metadata["curves"].value


def test_bids_of_another_range_and_a_reserve_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    changed = {"bidding.high": "1000", "evaluation.reserve_price": "600"}
    with DagsterInstance.ephemeral() as instance:
        run(tmp_path, bid_monotonicity, instance, overrides=changed)
        run(tmp_path, incentive_report, instance, overrides=changed)
    lake = Lake(data_dir=str(tmp_path))
    frame = lake.read("bid_monotonicity")
    assert frame["bid"].unique().sort().to_list() == list(stretched(LADDER, 1, 1000))
    assert frame.filter(pl.col("bid") < 600)["itctr"].max() == 0.0
    entered = frame.filter(pl.col("bid") >= 600).group_by("mechanism").agg(pl.col("itctr").max())
    assert entered.filter(pl.col("itctr") == 0).is_empty()
    table = lake.read("incentive_report")
    gains = table.filter(pl.col("metric").str.starts_with("misreport_gain"))["value"]
    assert len(gains) == 2 * 4 and gains.max() <= 1e-9
    assert table.filter(metric="least_utility")["value"].min() >= 0
    # What pretrained models show whatever the bid is had at the least bid that takes part.
    shading = table.filter(metric="bid_shading", mechanism="pretrained")["value"].item()
    assert shading > 0.6
