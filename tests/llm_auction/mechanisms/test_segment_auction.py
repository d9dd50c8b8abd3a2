"""The segment auction: winning probabilities, critical prices, Myerson's identity, truthfulness."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.mechanisms.segment_auction import LEAST_RELEVANCE, expected_price, segment_auction

Q = np.array([0.9, 0.5, 0.3, 0.05])
B = np.array([20.0, 60.0, 35.0, 90.0])


def simulate(bids: np.ndarray, winners: int, runs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(runs, ads): 1(win) and price * 1(win)."""
    rng = np.random.default_rng(seed)
    won, paid = np.zeros((runs, len(bids))), np.zeros((runs, len(bids)))
    for run in range(runs):
        result = segment_auction(Q, bids, winners, rng)
        won[run, list(result.winners)] = 1.0
        paid[run, list(result.winners)] = result.prices
    return won, paid


def assert_means(drawn: np.ndarray, expected: np.ndarray) -> None:
    """Of every column, within four standard errors of its mean."""
    errors = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - expected) <= 4 * errors).all(), (drawn.mean(axis=0), expected, errors)


def test_winning_and_prices_meet_their_closed_forms() -> None:
    won, paid = simulate(B, 1, 20_000)
    assert_means(won, Q * B / (Q @ B))
    assert_means(paid, np.array([expected_price(Q, B, ad) for ad in range(len(B))]))


def test_the_expected_price_is_myersons() -> None:
    """b x(b) - integral of x from 0 to b, with x(b) = q b / (q b + S)."""
    for ad in range(len(B)):
        others = Q @ B - Q[ad] * B[ad]
        grid = np.linspace(0.0, B[ad], 200_001)
        allocation = Q[ad] * grid / (Q[ad] * grid + others)
        area = float(np.sum((allocation[1:] + allocation[:-1]) / 2 * np.diff(grid)))
        assert expected_price(Q, B, ad) == pytest.approx(B[ad] * allocation[-1] - area, rel=1e-6)


@pytest.mark.parametrize("winners", [1, 2, 3])
def test_the_price_is_the_smallest_bid_that_still_wins(winners: int) -> None:
    for seed in range(200):
        result = segment_auction(Q, B, winners, np.random.default_rng(seed))
        assert len(result.winners) == winners
        for ad, price in zip(result.winners, result.prices, strict=True):
            assert 0.0 <= price <= B[ad]
            for factor, wins in ((1.0001, True), (0.9999, False)):
                bids = B.copy()
                bids[ad] = price * factor
                assert (ad in segment_auction(Q, bids, winners, np.random.default_rng(seed)).winners) is wins


@pytest.mark.parametrize("winners", [1, 2, 3])
def test_truthful_bidding_is_dominant_for_every_noise(winners: int) -> None:
    for seed in range(60):
        for ad in range(len(B)):

            def utility(bid: float, ad: int = ad, seed: int = seed) -> float:
                bids = B.copy()
                bids[ad] = bid
                result = segment_auction(Q, bids, winners, np.random.default_rng(seed))
                return dict(zip(result.winners, B[ad] - np.array(result.prices), strict=True)).get(ad, 0.0)

            assert utility(B[ad]) >= max(utility(bid) for bid in (0.0, 1.0, 10.0, 33.0, 50.0, 90.0, 200.0)) - 1e-9


def test_two_winners_follow_plackett_luce() -> None:
    won, _ = simulate(B, 2, 10_000)
    share = Q * B / (Q @ B)
    expected = share + np.array(
        [sum(share[j] * share[i] / (1 - share[j]) for j in range(len(B)) if j != i) for i in range(len(B))]
    )
    assert_means(won, expected)


def test_ads_without_a_bid_never_win_and_a_lone_bidder_pays_nothing() -> None:
    result = segment_auction(Q, np.array([0.0, 7.0, 0.0, 0.0]), 3, np.random.default_rng(0))
    assert (result.winners, result.prices) == ((1,), (0.0,))
    assert expected_price(Q, np.array([0.0, 7.0, 0.0, 0.0]), 1) == 0.0
    assert segment_auction(Q, np.zeros(4), 1, np.random.default_rng(0)).winners == ()


def test_relevance_is_clipped_to_its_floor() -> None:
    bids = np.array([50.0, 50.0])
    assert (
        expected_price(np.array([0.0, 0.5]), bids, 0) == expected_price(np.array([LEAST_RELEVANCE, 0.5]), bids, 0) > 0
    )


@pytest.mark.parametrize(
    ("relevance", "bids", "winners", "message"),
    [
        (Q, B[:2], 1, "shapes"),
        (Q, -B, 1, ">= 0"),
        (Q * np.nan, B, 1, "finite"),
        (Q, B, 0, "at least one winner"),
    ],
)
def test_bad_input_is_named(relevance: np.ndarray, bids: np.ndarray, winners: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segment_auction(relevance, bids, winners, np.random.default_rng(0))
