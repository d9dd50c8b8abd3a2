"""Bid monotonicity: probes change one bid only, and the figures say what the curves are."""

from __future__ import annotations

import polars as pl
import pytest

from llm_auction.answers import render_insertion
from llm_auction.evaluation.monotonicity import (
    CURVE_SCHEMA,
    LADDER,
    bid_response,
    bid_responses,
    curve_points,
    probed_ad,
    with_bid,
)
from llm_auction.evaluation.outcomes import Contender
from tests.synthetic_study import FINAL, StubUser, synthetic_auctions, synthetic_bid_curves, synthetic_profile

PROFILE = synthetic_profile(queries=20)
AUCTIONS = synthetic_auctions(PROFILE)


def curves(*rows: tuple[float, ...]) -> pl.DataFrame:
    """One query a row of itctr along a ladder of as many steps."""
    return pl.DataFrame(
        [
            {
                "mechanism": "llm_auction", "iteration": "01", "query_id": f"q{index}", "ad_id": "a", "bid": step,
                "answers": 4, "shown": 2, "clicks": 1, "itctr": value,
            }
            for index, row in enumerate(rows)
            for step, value in enumerate(row)
        ],
        schema=CURVE_SCHEMA,
    )  # fmt: skip


def test_a_probe_moves_one_bid() -> None:
    auction = AUCTIONS[0]
    ad_id = probed_ad(auction, seed=0)
    probe = with_bid(auction, ad_id, 70)
    assert probe.bid_of(ad_id) == 70
    assert {ad.ad_id: bid for ad, bid in zip(probe.candidates, probe.bids, strict=True) if ad.ad_id != ad_id} == {
        ad.ad_id: bid for ad, bid in zip(auction.candidates, auction.bids, strict=True) if ad.ad_id != ad_id
    }
    assert probe.query is auction.query


def test_the_probed_ad_varies_over_queries_and_seeds() -> None:
    positions = [[ad.ad_id for ad in one.candidates].index(probed_ad(one, 0)) for one in AUCTIONS]
    assert len(set(positions)) > 5
    assert [probed_ad(one, 0) for one in AUCTIONS] == [probed_ad(one, 0) for one in AUCTIONS]
    assert [probed_ad(one, 0) for one in AUCTIONS] != [probed_ad(one, 1) for one in AUCTIONS]


def test_points_count_shown_and_clicked() -> None:
    auction = AUCTIONS[0]
    ad = auction.candidates[0]
    answers = [f"Take {render_insertion(ad)}.", "Nothing to add.", f"Take {render_insertion(auction.candidates[1])}."]
    row = curve_points(FINAL, [auction], [ad.ad_id], [answers], StubUser(), seed=0).row(0, named=True)
    assert (row["answers"], row["shown"], row["bid"]) == (3, 1, auction.bids[0])
    assert row["itctr"] == pytest.approx(0.75 / 3)
    assert row["clicks"] in (0, 1)


def test_monotone_flat_and_falling_curves() -> None:
    rising = bid_response(curves((0.0, 0.1, 0.2, 0.3), (0.1, 0.1, 0.4, 0.5)), 100, seed=0)
    assert rising.pooled_spearman == pytest.approx(1.0)
    assert (rising.violation_share.value, rising.n, rising.n_responsive) == (0.0, 2, 2)
    flat = bid_response(curves((0.2, 0.2, 0.2), (0.0, 0.0, 0.0)), 100, seed=0)
    assert (flat.pooled_spearman, flat.query_spearman.value, flat.n_responsive) == (None, None, 0)
    mixed = bid_response(curves((0.3, 0.2, 0.1), (0.1, 0.2, 0.3)), 100, seed=0)
    assert mixed.query_spearman.value == pytest.approx(0.0)
    assert mixed.violation_share.value == pytest.approx(0.5)


def test_a_missing_step_is_refused() -> None:
    with pytest.raises(ValueError, match="every step of the ladder"):
        bid_response(curves((0.1, 0.2, 0.3), (0.1, 0.2)), 10, seed=0)


def test_one_response_a_contender() -> None:
    table = synthetic_bid_curves(PROFILE)
    found = bid_responses(table, 100, seed=0)
    assert next(iter(found)) == Contender("pretrained") and FINAL in found
    assert found[FINAL].pooled_spearman > found[Contender("pretrained")].pooled_spearman
    assert table["bid"].unique().sort().to_list() == list(LADDER)
