"""The regret of truth-telling where theory says it is zero: MOSAIC and the segment auction, by exact arithmetic.

Nothing is sampled here. MOSAIC's allocation and expected payments are computed for a fixed set of candidate answers,
which don't depend on the bids (arXiv 2405.05905); those of the segment auction with one winner are closed forms (arXiv
2406.09459). What is left above zero is rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.mechanisms.mosaic_allocation import argmax_auction, mosaic_auction
from llm_auction.mechanisms.segment_auction import LEAST_RELEVANCE, expected_price

# The utility (currency units) of one advertiser, by its index, when it reports a bid.
_Utility = Callable[[int, float], float]


@dataclass(frozen=True, slots=True)
class TruthRegret:
    """Over `advertisers` and all misreports tried: the largest gain of any, and the least utility of the truth.

    Currency units. Truthful (DSIC) when `largest_gain` is no more than rounding, IR when `least_utility` is not below.
    """

    largest_gain: float
    least_utility: float
    advertisers: int

    def joined(self, other: TruthRegret) -> TruthRegret:
        """Both together, as over another query."""
        return TruthRegret(
            max(self.largest_gain, other.largest_gain),
            min(self.least_utility, other.least_utility),
            self.advertisers + other.advertisers,
        )


def mosaic_regret(
    clicks: np.ndarray, costs: np.ndarray, values: Sequence[float], misreports: Sequence[float], tau: float
) -> TruthRegret:
    """The regret of every advertiser of one auction under MOSAIC.

    Args:
        clicks: (M, n) click probability that the mechanism expects of ad i in candidate answer j.
        costs: (M,) bid-free costs, lambda * s_resp(y_j), currency units.
        values: (n,) true values a click; all others report theirs.
        misreports: bids a click tried in place of the truth.
        tau: temperature in currency units a nat; 0 is the argmax limit.

    Raises:
        ValueError: see `mosaic_auction`.
    """
    own = np.asarray(values, dtype=np.float64)

    def utility(advertiser: int, bid: float) -> float:
        bids = own.copy()
        bids[advertiser] = bid
        rewards = clicks * bids
        allocation = mosaic_auction(rewards, -costs / tau, tau) if tau else argmax_auction(rewards, costs)
        gained = allocation.probabilities @ clicks[:, advertiser] * own[advertiser]
        return float(gained - allocation.expected_payments[advertiser])

    return _regret(own, misreports, utility)


def segment_regret(relevance: np.ndarray, values: Sequence[float], misreports: Sequence[float]) -> TruthRegret:
    """The regret of every advertiser of one segment auction with one winner, per click.

    Args:
        relevance: (n,) q_i.
        values: (n,) true values a click; all others report theirs.
        misreports: bids a click tried in place of the truth.
    """
    own, quality = np.asarray(values, dtype=np.float64), np.clip(relevance, LEAST_RELEVANCE, 1.0)

    def utility(advertiser: int, bid: float) -> float:
        bids = own.copy()
        bids[advertiser] = bid
        scores = quality * bids
        won = scores[advertiser] / scores.sum() if scores[advertiser] else 0.0
        return float(own[advertiser] * won - expected_price(relevance, bids, advertiser))

    return _regret(own, misreports, utility)


def _regret(values: np.ndarray, misreports: Sequence[float], utility: _Utility) -> TruthRegret:
    truths = [utility(advertiser, value) for advertiser, value in enumerate(values.tolist())]
    gains = [utility(advertiser, bid) - truth for advertiser, truth in enumerate(truths) for bid in misreports]
    return TruthRegret(max(gains, default=0.0), min(truths, default=0.0), len(truths))
