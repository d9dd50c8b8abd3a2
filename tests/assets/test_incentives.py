"""`incentive_report`: an auction that the highest bid wins invites shading, and MOSAIC leaves nothing to gain."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from assets.bid_curves import bid_monotonicity
from assets.incentives import incentive_report
from resources.lake import Lake
from tests.evaluated_market import build_market, run


def test_report_of_a_small_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        run(tmp_path, bid_monotonicity, instance)
        result = run(tmp_path, incentive_report, instance)
    table = Lake(data_dir=str(tmp_path)).read("incentive_report")

    def values(metric: str, **wanted: str) -> list[float]:
        return table.filter(pl.col("metric") == metric, **wanted)["value"].to_list()

    # The pretrained model ignores bids: the lowest bid is best.
    assert values("bid_shading", mechanism="pretrained")[0] < 0.1
    assert all(value >= 0 for value in values("least_utility")) and len(values("least_utility")) == 4
    assert all(value <= 1e-9 for value in values("misreport_gain")) and len(values("misreport_gain")) == 4
    # The reward model of this market is the user itself.
    assert values("misreport_gain_users_clicks") == values("misreport_gain")
    assert values("revenue_share_of_truth", setting="round=0") == [1.0]
    assert 0 < values("bid_share_of_value")[-1] < 1
    assert values("revenue_share_of_truth")[-1] < 1
    summary = result.asset_materializations_for_node("incentive_report")[0].metadata["summary"].value
    assert "Best responses" in summary and "MOSAIC, argmax" in summary


def test_it_needs_the_bid_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance, pytest.raises(ValueError, match="materialize the asset bid_monoton"):
        run(tmp_path, incentive_report, instance)
