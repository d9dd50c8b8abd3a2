"""The regret of truth-telling where theory says it is zero: MOSAIC and the segment auction, by exact arithmetic.

Nothing is sampled here. MOSAIC's allocation and expected payments are computed for a fixed set of candidate answers,
which don't depend on the bids (arXiv 2405.05905); those of the segment auction with one winner are closed forms (arXiv
2406.09459). What is left above zero is rounding, as long as the clicks that MOSAIC expects are the true ones: it
charges by its pCTR, so that under the users' own clicks a misreport may gain something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from llm_auction.evaluation.judged import judged_expectation
from llm_auction.mechanisms.mosaic_allocation import argmax_auction, mosaic_auction
from llm_auction.mechanisms.segment_auction import LEAST_RELEVANCE, expected_price

# The utility (currency units) of one advertiser, by its index, when it reports a bid: under the clicks that the
# mechanism expects, and under the users' own.
_Utilities = Callable[[int, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class TruthRegret:
    """Over `advertisers` and all misreports tried: the largest gain of any, and the least utility of the truth.

    Currency units. Truthful (DSIC) when `largest_gain` is no more than rounding, IR when `least_utility` is not below.
    Both take the clicks that the mechanism expects for true; `largest_true_gain` is the largest gain under the users'
    own clicks, as far as these were judged, which no theorem bounds where the two differ.
    """

    largest_gain: float
    largest_true_gain: float
    least_utility: float
    advertisers: int

    def joined(self, other: TruthRegret) -> TruthRegret:
        """Both together, as over another query."""
        return TruthRegret(
            max(self.largest_gain, other.largest_gain),
            max(self.largest_true_gain, other.largest_true_gain),
            min(self.least_utility, other.least_utility),
            self.advertisers + other.advertisers,
        )


def mosaic_regret(
    clicks: np.ndarray,
    true_clicks: np.ndarray,
    costs: np.ndarray,
    values: Sequence[float],
    misreports: Sequence[Sequence[float]],
    tau: float,
    reserve: float = 0.0,
) -> TruthRegret:
    """The regret of every advertiser of one auction under MOSAIC.

    Args:
        clicks: (M, n) click probability that the mechanism expects of ad i in candidate answer j.
        true_clicks: (M, n) the users' own click probability; NaN where an LLM did not judge it, which leaves that
            answer out for that ad.
        costs: (M,) bid-free costs, lambda * s_resp(y_j), currency units.
        values: (n,) true values a click, none below the reserve; all others report theirs.
        misreports: by advertiser, bids a click tried in place of the truth.
        tau: temperature in currency units a nat; 0 is the argmax limit.
        reserve: least price a click, below which a bid takes no part.

    Raises:
        ValueError: see `mosaic_auction`.
    """
    own = np.asarray(values, dtype=np.float64)

    def utilities(advertiser: int, bid: float) -> tuple[float, float]:
        if bid < reserve:
            return 0.0, 0.0
        bids = own.copy()
        bids[advertiser] = bid
        rewards, floors = clicks * bids, clicks * reserve
        if tau:
            allocation = mosaic_auction(rewards, -costs / tau, tau, floors)
        else:
            allocation = argmax_auction(rewards, costs, floors)
        expected, true = (
            judged_expectation(allocation.probabilities, seen[:, advertiser]) * float(own[advertiser])
            for seen in (clicks, true_clicks)
        )
        paid = float(allocation.expected_payments[advertiser])
        return expected - paid, true - paid

    return _regret(own, misreports, utilities)


def segment_regret(
    relevance: np.ndarray, values: Sequence[float], misreports: Sequence[Sequence[float]], reserve: float = 0.0
) -> TruthRegret:
    """The regret of every advertiser of one segment auction with one winner, per click.

    It charges for a click that has happened, so that its truth is the same under any clicks.

    Args:
        relevance: (n,) q_i.
        values: (n,) true values a click; all others report theirs.
        misreports: by advertiser, bids a click tried in place of the truth.
        reserve: least price a click, below which a bid takes no part.
    """
    own, quality = np.asarray(values, dtype=np.float64), np.clip(relevance, LEAST_RELEVANCE, 1.0)

    def utilities(advertiser: int, bid: float) -> tuple[float, float]:
        bids = own.copy()
        bids[advertiser] = bid
        scores = quality * np.where(bids >= reserve, bids, 0.0)
        won = scores[advertiser] / scores.sum() if scores[advertiser] else 0.0
        left = float(own[advertiser] * won - expected_price(relevance, bids, advertiser, reserve))
        return left, left

    return _regret(own, misreports, utilities)


def _regret(values: np.ndarray, misreports: Sequence[Sequence[float]], utilities: _Utilities) -> TruthRegret:
    truths = [utilities(advertiser, value) for advertiser, value in enumerate(values.tolist())]
    tried = [
        (utilities(advertiser, bid), truth)
        for advertiser, (truth, bids) in enumerate(zip(truths, misreports, strict=True))
        for bid in bids
    ]
    return TruthRegret(
        max((found[0] - truth[0] for found, truth in tried), default=0.0),
        max((gain for found, truth in tried if not isnan(gain := found[1] - truth[1])), default=0.0),
        min((expected for expected, _ in truths), default=0.0),
        len(truths),
    )
