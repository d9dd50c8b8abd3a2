"""`bid_continuity`: a model whose choice steps with the bid, one that ignores it, and the slot auction beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.bid_continuity import bid_continuity
from llm_auction.evaluation.continuity import SLOT_AUCTION, continuity_figures
from llm_auction.evaluation.outcomes import Contender
from resources.lake import Lake
from tests.evaluated_market import build_market, run


def test_close_look_and_many_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        result = run(tmp_path, bid_continuity, instance)
    table = Lake(data_dir=str(tmp_path)).read("bid_continuity")
    # The pretrained model, the newest iteration and the slot auction, at 12 bids, of one query and of two.
    assert table.height == 3 * 12 * (1 + 2)
    found = continuity_figures(table, 100, seed=0)
    slot, follows = found[SLOT_AUCTION], found[Contender("llm_auction", "02")]
    assert slot.jump.share.value == 1.0 and slot.mean_share.value == 1.0
    # The highest bid always wins with this engine: a slot auction in an answer's clothes.
    assert follows.jump.share.value == pytest.approx(1.0) and follows.jump.steps_beyond_noise == 1
    assert found[Contender("pretrained")].jump.steps_beyond_noise == 0
    metadata = result.asset_materializations_for_node("bid_continuity")[0].metadata
    assert "Slot auction" in metadata["summary"].value and "base64" in metadata["curve"].value


def test_an_arm_without_iterations_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    for pointer in (tmp_path / "models" / "pointers" / "ad_llm" / "llm_auction").iterdir():
        pointer.unlink()
    with (
        DagsterInstance.ephemeral() as instance,
        pytest.raises(ValueError, match=r"materialize ad_llm\[llm_auction\|01\] first"),
    ):
        run(tmp_path, bid_continuity, instance)
