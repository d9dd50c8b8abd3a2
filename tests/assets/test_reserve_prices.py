"""`reserve_prices` on a small market: every payment rule, every price, paired against none."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.reserve_prices import COMPARED, reserve_prices
from resources.lake import Lake
from tests.evaluated_market import build_market, run


def test_every_price_and_mechanism_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        result = run(
            tmp_path,
            reserve_prices,
            instance,
            overrides={"evaluation.reserve_prices": "60", "evaluation.rag_winners": "1"},
        )
    table = Lake(data_dir=str(tmp_path)).read("reserve_prices")
    assert set(table["mechanism"]) == set(COMPARED)
    assert sorted(set(table["reserve"])) == [0.0, 60.0]
    paid = table.filter(metric="payment_per_query", reserve=60.0)
    earned = table.filter(metric="revenue_per_query", reserve=60.0)
    assert paid.height == earned.height == 2 + 3 + 3
    # Ads that bid little are gone, so critical prices rise in the auction that has one winner.
    (rise,) = paid.filter(mechanism="rag_auction", variant="k=1")["change"].to_list()
    assert rise > 0
    metadata = result.asset_materializations_for_node("reserve_prices")[0].metadata
    assert "RAG-Auction" in metadata["summary"].value
    assert metadata["curves"].value.startswith("![plot]")
