"""The allocation and payments of MOSAIC on a finite set of candidate answers (arXiv 2405.05905), as pure arithmetic.

With rewards r_i(y_j) = b_i * pCTR_i and bid-free log weights l_j:

    s_j = sum_i r_i(y_j) / tau + l_j             p      = softmax(s)
    s_j^-i = s_j - r_i(y_j) / tau                p^-i   = softmax(s^-i)
    U_i = tau * (LSE(s) - LSE(s^-i)) >= 0        utility: the advertiser's contribution to the (regularised) welfare
    charged for y_j: r_i(y_j) - U_i = tau * log(p(y_j) / p^-i(y_j));  expected: tau * KL(p || p^-i) >= 0

With a reserve price per click the advertiser's lowest bid is not 0: s_j^-i = s_j - (r_i(y_j) - f_i(y_j)) / tau, where
the floor f_i(y_j) = reserve * pCTR_i is what i would bring at the reserve. U_i is then its contribution above that, the
charge f_i(y_j) + tau * log(p(y_j) / p^-i(y_j)), and a click never costs less than the reserve in expectation.

Truthful for ANY finite candidate set that doesn't depend on the bids: U_i is Rochet's convex utility, whose gradient in
r_i is p. As tau falls to 0 this becomes the Vickrey-Clarke-Groves auction over the candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class MosaicAllocation:
    """Who is shown with which probability, and who pays what. M candidate answers, n ads; currency units.

    Attributes:
        probabilities: (M,) p, sums to 1.
        utilities: (n,) U_i >= 0: what each advertiser is left with, whichever answer is drawn.
        payments: (M, n) charged when answer j is drawn. Negative for an advertiser whom the draw serves worse than its
            expectation: it is paid back, and is left with U_i all the same.
        expected_payments: (n,) the mean of `payments` under `probabilities`, >= 0.
    """

    probabilities: np.ndarray
    utilities: np.ndarray
    payments: np.ndarray
    expected_payments: np.ndarray


def mosaic_auction(
    rewards: np.ndarray, log_weights: np.ndarray, tau: float, floors: np.ndarray | None = None
) -> MosaicAllocation:
    """Run MOSAIC on M candidate answers.

    Args:
        rewards: (M, n) r_i(y_j) >= 0 in currency units, 0 where ad i is not in answer j.
        log_weights: (M,) l_j: log pi_ref(y_j) - log pi_gen(y_j), plus every bid-free term divided by tau, such as the
            platform's penalty -lambda * s_resp(y_j) / tau.
        tau: temperature > 0, in currency units a nat.
        floors: (M, n) f_i(y_j), the rewards at the reserve price, between 0 and `rewards`; None is no reserve.

    Raises:
        ValueError: shapes that don't fit, no candidate, a value that isn't finite, a negative reward, a floor outside
            [0, reward] or tau <= 0.
    """
    floors = np.zeros_like(rewards) if floors is None else floors
    _check(rewards, log_weights, floors)
    if not (np.isfinite(tau) and tau > 0):
        raise ValueError(f"tau must be a number > 0, got {tau}; its limit 0 is `argmax_auction`")
    scores = rewards.sum(axis=1) / tau + log_weights
    without = scores[:, None] - (rewards - floors) / tau
    total = _logsumexp(scores[:, None])
    totals_without = _logsumexp(without)
    log_p = scores - total
    log_p_without = without - totals_without
    probabilities = np.exp(log_p)
    probabilities /= probabilities.sum()
    utilities = tau * (total - totals_without)
    return _settle(probabilities, rewards, utilities, floors + tau * (log_p[:, None] - log_p_without))


def argmax_auction(rewards: np.ndarray, costs: np.ndarray, floors: np.ndarray | None = None) -> MosaicAllocation:
    """The limit tau -> 0: the answer of highest welfare wins (ties share alike) and advertisers pay their externality.

    Args:
        rewards: (M, n) as in `mosaic_auction`.
        costs: (M,) bid-free costs in currency units, such as lambda * s_resp(y_j); importance weights vanish in the
            limit.
        floors: (M, n) as in `mosaic_auction`.

    Raises:
        ValueError: as in `mosaic_auction`.
    """
    floors = np.zeros_like(rewards) if floors is None else floors
    _check(rewards, costs, floors)
    welfare = rewards.sum(axis=1) - costs
    without = welfare[:, None] - (rewards - floors)
    best = welfare == welfare.max()
    utilities = welfare.max() - without.max(axis=0)
    return _settle(best / best.sum(), rewards, utilities, rewards - utilities)


def _settle(
    probabilities: np.ndarray, rewards: np.ndarray, utilities: np.ndarray, payments: np.ndarray
) -> MosaicAllocation:
    # An ad in no candidate contributes nothing; rounding must not charge it. Elsewhere rounding may leave -1e-16.
    in_play = rewards.any(axis=0)
    return MosaicAllocation(
        probabilities=probabilities,
        utilities=np.where(in_play, np.maximum(utilities, 0.0), 0.0),
        payments=np.where(in_play, payments, 0.0),
        expected_payments=np.where(in_play, np.maximum(probabilities @ payments, 0.0), 0.0),
    )


def _logsumexp(columns: np.ndarray) -> np.ndarray:
    """log sum exp down each column, stable at any scale; numpy alone, so that this file needs nothing else."""
    top = columns.max(axis=0)
    return top + np.log(np.exp(columns - top).sum(axis=0))


def _check(rewards: np.ndarray, weights: np.ndarray, floors: np.ndarray) -> None:
    if rewards.ndim != 2 or weights.shape != rewards.shape[:1] or not len(weights):
        raise ValueError(
            f"rewards must be (M, n) and weights (M,) with M >= 1, got shapes {rewards.shape} and {weights.shape}"
        )
    if not (np.isfinite(rewards).all() and np.isfinite(weights).all()):
        raise ValueError("rewards and weights must be finite numbers")
    if (rewards < 0).any():
        raise ValueError(f"rewards are bid x click probability and can't be negative, got {rewards.min()}")
    if floors.shape != rewards.shape or not ((floors >= 0) & (floors <= rewards)).all():
        raise ValueError("floors are rewards at the reserve price: of the same shape, between 0 and the rewards")
