"""The optimum that IRPO aims at, pi*(y) ~ pi_0(y) exp(R(y) / beta), on a finite set of answers.

MOSAIC with log weights log pi_0 and tau = beta draws exactly from it, so its allocation stands for the optimum here.
"""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.mechanisms.mosaic_allocation import mosaic_auction

BETA = 5.0


def market(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """log pi_0 (M,), click probabilities (M, n), penalties (M,), bids (n,)."""
    rng = np.random.default_rng(seed)
    shown = rng.random((30, 4)) < 0.4
    prior = rng.dirichlet(np.ones(30))
    bids = rng.integers(1, 101, 4).astype(float)
    return np.log(prior), rng.random((30, 4)) * shown, 4.0 * shown.sum(1), bids


def optimum(log_prior: np.ndarray, clicks: np.ndarray, penalties: np.ndarray, bids: np.ndarray) -> np.ndarray:
    return mosaic_auction(clicks * bids, log_prior - penalties / BETA, BETA).probabilities


def objective(
    policy: np.ndarray, log_prior: np.ndarray, clicks: np.ndarray, penalties: np.ndarray, bids: np.ndarray
) -> float:
    """J of Eq. 2."""
    divergence = np.sum(policy * (np.log(policy) - log_prior))
    return float(policy @ ((clicks * bids).sum(1) - penalties) - BETA * divergence)


@pytest.mark.parametrize("seed", range(5))
def test_it_maximises_the_objective(seed: int) -> None:
    setting = market(seed)
    best = optimum(*setting)
    rng = np.random.default_rng(seed)
    for scale in (0.01, 0.1, 1.0):
        for _ in range(50):
            other = best * np.exp(scale * rng.normal(size=len(best)))
            assert objective(other / other.sum(), *setting) <= objective(best, *setting) + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_click_through_is_monotone_in_the_bid(seed: int) -> None:
    """Theorem 4.2: raising b_i never lowers itctr_i."""
    log_prior, clicks, penalties, bids = market(seed)
    for ad in range(len(bids)):
        itctr = []
        for bid in range(1, 101):
            changed = bids.copy()
            changed[ad] = bid
            itctr.append(optimum(log_prior, clicks, penalties, changed) @ clicks[:, ad])
        assert (np.diff(itctr) >= -1e-12).all()
        assert itctr[-1] > itctr[0]


@pytest.mark.parametrize("seed", range(5))
def test_click_through_is_continuous_in_the_bid(seed: int) -> None:
    """Theorem 4.3, in its quantitative form: d itctr_i / d b_i = Var(ctr_i) / beta <= 1 / (4 beta), so no jump."""
    log_prior, clicks, penalties, bids = market(seed)
    for ad in range(len(bids)):
        for step in (1.0, 0.1, 0.001):
            grid = np.arange(20.0, 20.0 + 30 * step, step)
            itctr = []
            for bid in grid:
                changed = bids.copy()
                changed[ad] = bid
                itctr.append(optimum(log_prior, clicks, penalties, changed) @ clicks[:, ad])
            assert np.abs(np.diff(itctr)).max() <= step / (4 * BETA) + 1e-12
