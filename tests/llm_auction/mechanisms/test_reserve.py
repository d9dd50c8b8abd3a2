"""Reserve prices: who takes part, and that every mechanism charges at least the reserve for a click."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_auction.click_values import bids_for_conversions
from llm_auction.mechanisms import (
    BestOfN,
    LlmAuction,
    Mechanism,
    MosaicAuction,
    RagAuction,
    RagSegmentAuction,
    clicks_from_user,
)
from llm_auction.mechanisms.mosaic_allocation import MosaicAllocation, argmax_auction, mosaic_auction
from llm_auction.mechanisms.segment_auction import expected_price, segment_auction
from llm_auction.objective import Penalty
from llm_auction.reserve import with_reserve
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, ScriptedEngine, auctions
from tests.llm_auction.mechanisms.test_mosaic_allocation import draw
from tests.llm_auction.mechanisms.test_rag_auction import relevance
from tests.llm_auction.mechanisms.test_segment_auction import B, Q

RESERVE = 40.0
USER = ParametricUser(ADS)


def test_ads_below_the_reserve_are_no_candidates() -> None:
    for auction in auctions(10):
        kept = with_reserve(auction, RESERVE)
        assert kept.bids == tuple(bid for bid in auction.bids if bid >= RESERVE)
        assert all(kept.bid_of(ad.ad_id) == auction.bid_of(ad.ad_id) for ad in kept.candidates)
        assert with_reserve(auction, 0.0) == auction
    with pytest.raises(ValueError, match=">= 0"):
        with_reserve(auctions(1)[0], -1.0)


def mechanisms() -> list[Mechanism]:
    clicks = clicks_from_user(USER)
    return [
        LlmAuction(ScriptedEngine(), clicks, SAMPLING),
        BestOfN(ScriptedEngine(), clicks, SAMPLING, Penalty(), answers=3),
        MosaicAuction(ScriptedEngine(), clicks, SAMPLING, Penalty(), tau=10.0, reserve=RESERVE),
        MosaicAuction(ScriptedEngine(), clicks, SAMPLING, Penalty(), tau=0.0, reserve=RESERVE),
        RagAuction(ScriptedEngine(), relevance, clicks, SAMPLING, winners=2, reserve=RESERVE),
        RagSegmentAuction(ScriptedEngine(), relevance, clicks, SAMPLING, reserve=RESERVE),
    ]


@pytest.mark.parametrize("mechanism", mechanisms(), ids=lambda one: type(one).__name__)
def test_every_mechanism_runs_when_few_or_no_ads_are_left(mechanism: Mechanism) -> None:
    market = [with_reserve(auction, RESERVE) for auction in auctions(6)]
    market.append(replace(market[0], candidates=(), bids=()))
    market.append(replace(market[0], candidates=ADS[:1], bids=(100,)))
    outcomes = mechanism.repeat(market, 3, seed=0)
    for auction, of_auction in zip(market, outcomes, strict=True):
        for outcome in of_auction:
            clicks = USER.click_probabilities(auction, outcome.answer)
            # MOSAIC's charges for one draw may be refunds; its floor holds in expectation (below).
            if not isinstance(mechanism, MosaicAuction):
                for ad_id, chance in clicks.items():
                    assert RESERVE * chance - 1e-9 <= outcome.payments[ad_id] <= auction.bid_of(ad_id) * chance + 1e-9
    assert all(outcome.payments == {} for outcome in outcomes[-2])


def test_the_segment_auction_meets_its_closed_form_with_a_reserve() -> None:
    runs, reserve = 20_000, 30.0
    rng = np.random.default_rng(0)
    paid = np.zeros((runs, len(B)))
    for run in range(runs):
        result = segment_auction(Q, B, 1, rng, reserve)
        assert all(reserve <= price <= B[ad] for ad, price in zip(result.winners, result.prices, strict=True))
        paid[run, list(result.winners)] = result.prices
    expected = np.array([expected_price(Q, B, ad, reserve) for ad in range(len(B))])
    errors = paid.std(axis=0, ddof=1) / np.sqrt(runs)
    assert (np.abs(paid.mean(axis=0) - expected) <= 4 * errors).all()
    assert expected[0] == 0.0  # it bids 20
    lone = np.array([0.0, 50.0, 0.0, 0.0])
    assert segment_auction(Q, lone, 1, rng, reserve).prices == (reserve,)
    assert expected_price(Q, lone, 1, reserve) == reserve


def allocate(bids: np.ndarray, clicks: np.ndarray, costs: np.ndarray, tau: float, reserve: float) -> MosaicAllocation:
    """MOSAIC among the ads that bid at least the reserve; the others keep their column, empty."""
    taking_part = bids >= reserve
    rewards, floors = clicks * np.where(taking_part, bids, 0.0), clicks * np.where(taking_part, reserve, 0.0)
    if tau == 0:
        return argmax_auction(rewards, costs, floors)
    return mosaic_auction(rewards, -costs / tau, tau, floors)


@pytest.mark.parametrize("tau", [0.0, 1.0, 10.0, 300.0])
@pytest.mark.parametrize("seed", range(4))
def test_mosaic_with_a_reserve_is_truthful_and_never_sells_below_it(seed: int, tau: float) -> None:
    values, clicks, costs, _ = draw(seed)
    rng = np.random.default_rng(seed)
    for ad in range(len(values)):
        others = rng.integers(0, 101, len(values)).astype(float)
        utilities = {}
        for bid in [*np.linspace(0.0, 200.0, 41), values[ad]]:
            bids = others.copy()
            bids[ad] = bid
            allocation = allocate(bids, clicks, costs, tau, RESERVE)
            through = allocation.probabilities @ clicks
            taking_part = bids >= RESERVE
            assert (allocation.expected_payments >= np.where(taking_part, RESERVE, 0.0) * through - 1e-9).all()
            assert (allocation.expected_payments <= bids * through + 1e-9).all()
            utilities[bid] = (values[ad] * through[ad] - allocation.expected_payments[ad]) * taking_part[ad]
        assert max(utilities.values()) - utilities[values[ad]] <= 1e-9


def test_mosaics_utility_is_the_area_under_the_click_curve_from_the_reserve_on() -> None:
    bids, clicks, costs, _ = draw(2)
    bids = np.maximum(bids, RESERVE)
    for ad in range(len(bids)):
        grid = np.linspace(RESERVE, bids[ad], 2001)
        curve = []
        for bid in grid:
            changed = bids.copy()
            changed[ad] = bid
            curve.append(allocate(changed, clicks, costs, 10.0, RESERVE).probabilities @ clicks[:, ad])
        area = float(np.sum((np.array(curve[1:]) + curve[:-1]) / 2 * np.diff(grid)))
        assert allocate(bids, clicks, costs, 10.0, RESERVE).utilities[ad] == pytest.approx(area, abs=1e-5)


@pytest.mark.parametrize("tau", [0.0, 10.0])
def test_where_clicks_are_worth_less_than_bids_so_is_the_reserve(tau: float) -> None:
    rates = {ad.ad_id: 0.05 * (1 + place) for place, ad in enumerate(ADS)}
    values = bids_for_conversions(lambda market: [rates for _ in market], worth=1.5)
    clicks = clicks_from_user(USER)
    mechanism = MosaicAuction(
        ScriptedEngine(), clicks, SAMPLING, Penalty(), tau=tau, values=values, reserve=RESERVE, candidates=12
    )
    for proposal in mechanism.propose([with_reserve(auction, RESERVE) for auction in auctions(6)], seed=0):
        found = proposal.allocate(tau)
        bids = np.array(proposal.auction.bids, dtype=np.float64)
        worth = np.array([1.5 * rates[ad.ad_id] for ad in proposal.auction.candidates])
        np.testing.assert_allclose(proposal.floors * bids, proposal.rewards * RESERVE)
        through = found.probabilities @ (proposal.rewards / (bids * worth))
        assert (found.expected_payments >= RESERVE * worth * through - 1e-9).all()
        assert (found.expected_payments <= bids * worth * through + 1e-9).all()


def test_floors_outside_the_rewards_are_refused() -> None:
    with pytest.raises(ValueError, match="floors"):
        mosaic_auction(np.ones((2, 2)), np.zeros(2), 1.0, np.full((2, 2), 2.0))
