"""MOSAIC's invariants on random candidate sets: simplex, IR, DSIC, payments, the argmax limit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from llm_auction.mechanisms.mosaic_allocation import MosaicAllocation, argmax_auction, mosaic_auction

TAUS = (0.05, 0.1, 1.0, 10.0, 300.0)


def draw(seed: int, answers: int = 20, ads: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bids (n,), click probabilities (M, n), bid-free costs (M,) and importance log weights (M,)."""
    rng = np.random.default_rng(seed)
    shown = rng.random((answers, ads)) < 0.35
    return (
        rng.integers(0, 101, ads).astype(float),
        rng.random((answers, ads)) * shown,
        4.0 * shown.sum(1),
        rng.normal(size=answers),
    )


def run(bids: np.ndarray, clicks: np.ndarray, costs: np.ndarray, weights: np.ndarray, tau: float) -> MosaicAllocation:
    return mosaic_auction(clicks * bids, weights - costs / tau, tau)


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("seed", range(5))
def test_individual_rationality_and_revenue(seed: int, tau: float) -> None:
    bids, clicks, costs, weights = draw(seed)
    allocation = run(bids, clicks, costs, weights, tau)
    rewards = clicks * bids
    assert allocation.probabilities.sum() == pytest.approx(1.0)
    assert (allocation.probabilities >= 0).all()
    assert (allocation.utilities >= 0).all()
    assert (allocation.expected_payments >= 0).all()
    # Nobody pays more than the delivered value, whichever answer is drawn; on average, and for each draw.
    np.testing.assert_array_less(allocation.payments, rewards + 1e-9)
    np.testing.assert_allclose(
        allocation.probabilities @ rewards - allocation.expected_payments, allocation.utilities, atol=1e-9
    )
    np.testing.assert_allclose(
        rewards - allocation.payments, np.tile(allocation.utilities, (len(rewards), 1)), atol=1e-9
    )


@pytest.mark.parametrize("tau", TAUS)
def test_expected_payment_is_tau_times_the_divergence(tau: float) -> None:
    bids, clicks, costs, weights = draw(1)
    allocation = run(bids, clicks, costs, weights, tau)
    scores = (clicks * bids).sum(1) / tau + weights - costs / tau
    log_p = scores - logsumexp(scores)
    np.testing.assert_allclose(allocation.probabilities, np.exp(log_p), atol=1e-12)
    for ad in range(len(bids)):
        without = scores - clicks[:, ad] * bids[ad] / tau
        log_q = without - logsumexp(without)
        divergence = np.sum(np.exp(log_p) * (log_p - log_q))
        assert allocation.expected_payments[ad] == pytest.approx(tau * divergence, abs=1e-8)
        np.testing.assert_allclose(allocation.payments[:, ad], tau * (log_p - log_q), atol=1e-8)


@pytest.mark.parametrize("tau", [*TAUS, 0.0])
@pytest.mark.parametrize("seed", range(4))
def test_truthful_bidding_is_dominant(seed: int, tau: float) -> None:
    """DSIC: against any bids of the others, no bid on a grid brings an advertiser more than its value per click."""
    values, clicks, costs, weights = draw(seed)
    rng = np.random.default_rng(seed)
    for ad in range(len(values)):
        others = rng.integers(0, 101, len(values)).astype(float)
        utilities = {}
        for bid in [*np.linspace(0.0, 200.0, 81), values[ad]]:
            bids = others.copy()
            bids[ad] = bid
            allocation = argmax_auction(clicks * bids, costs) if tau == 0 else run(bids, clicks, costs, weights, tau)
            value = allocation.probabilities @ clicks[:, ad] * values[ad]
            utilities[bid] = value - allocation.expected_payments[ad]
        truthful = utilities[values[ad]]
        assert truthful >= -1e-9
        assert max(utilities.values()) - truthful <= 1e-9  # the regret of telling the truth


def test_no_misreport_of_the_reward_vector_gains() -> None:
    """Stronger than bids: an advertiser can't gain by lying about its reward of each single answer, 10,000 times."""
    values, clicks, costs, weights = draw(3)
    rewards, tau = clicks * values, 2.0
    truthful = mosaic_auction(rewards, weights - costs / tau, tau)
    rng = np.random.default_rng(0)
    for ad in range(len(values)):
        for _ in range(10_000 // len(values) + 1):
            lie = rewards.copy()
            lie[:, ad] = rng.exponential(40.0, len(lie)) * (rng.random(len(lie)) < 0.5)
            result = mosaic_auction(lie, weights - costs / tau, tau)
            gained = result.probabilities @ rewards[:, ad] - result.expected_payments[ad]
            assert gained <= truthful.utilities[ad] + 1e-9


@pytest.mark.parametrize("tau", TAUS)
def test_clicks_and_payment_grow_with_the_bid(tau: float) -> None:
    bids, clicks, costs, weights = draw(2)
    for ad in range(len(bids)):
        through, paid = [], []
        for bid in np.linspace(0.0, 200.0, 60):
            changed = bids.copy()
            changed[ad] = bid
            allocation = run(changed, clicks, costs, weights, tau)
            through.append(allocation.probabilities @ clicks[:, ad])
            paid.append(allocation.expected_payments[ad])
        assert (np.diff(through) >= -1e-12).all()
        assert (np.diff(paid) >= -1e-8).all()


def test_the_limit_of_a_small_tau_is_the_argmax_auction() -> None:
    bids, clicks, costs, weights = draw(4)
    limit = argmax_auction(clicks * bids, costs)
    near = run(bids, clicks, costs, weights, 1e-6)
    np.testing.assert_allclose(near.probabilities, limit.probabilities, atol=1e-9)
    np.testing.assert_allclose(near.utilities, limit.utilities, atol=1e-4)
    np.testing.assert_allclose(near.payments, limit.payments, atol=1e-4)
    assert limit.probabilities.argmax() == ((clicks * bids).sum(1) - costs).argmax()


def test_a_large_tau_follows_the_reference() -> None:
    bids, clicks, _, weights = draw(5)
    allocation = mosaic_auction(clicks * bids, weights, 1e9)
    np.testing.assert_allclose(allocation.probabilities, np.exp(weights - logsumexp(weights)), atol=1e-6)


def test_ties_share_alike_in_the_limit() -> None:
    allocation = argmax_auction(np.array([[5.0, 0.0], [0.0, 5.0], [0.0, 0.0]]), np.zeros(3))
    np.testing.assert_allclose(allocation.probabilities, [0.5, 0.5, 0.0])
    np.testing.assert_allclose(allocation.utilities, [0.0, 0.0])


def test_an_ad_in_no_answer_has_no_part_in_it() -> None:
    allocation = mosaic_auction(np.array([[30.0, 0.0], [0.0, 0.0]]), np.zeros(2), 0.1)
    assert allocation.utilities[1] == 0.0
    assert (allocation.payments[:, 1] == 0.0).all()


def test_extreme_scales_stay_finite() -> None:
    rewards = np.array([[1e6, 0.0], [0.0, 1e6], [0.0, 0.0]])
    for tau in (1e-9, 1e-3, 1e12):
        allocation = mosaic_auction(rewards, np.array([0.0, -1e5, 1e5]), tau)
        for part in (allocation.probabilities, allocation.utilities, allocation.payments):
            assert np.isfinite(part).all()


@pytest.mark.parametrize(
    ("rewards", "weights", "tau", "message"),
    [
        (np.zeros((2, 2)), np.zeros(3), 1.0, "shapes"),
        (np.zeros((0, 2)), np.zeros(0), 1.0, "M >= 1"),
        (-np.ones((2, 2)), np.zeros(2), 1.0, "negative"),
        (np.full((2, 2), np.nan), np.zeros(2), 1.0, "finite"),
        (np.zeros((2, 2)), np.zeros(2), 0.0, "tau"),
    ],
)
def test_bad_input_is_named(rewards: np.ndarray, weights: np.ndarray, tau: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mosaic_auction(rewards, weights, tau)
