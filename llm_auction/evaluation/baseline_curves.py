"""The bid curves of MOSAIC and the segment auction, computed instead of sampled.

Both generate from prompts without bids, so that one set of answers serves every bid: what the bid moves is the
probability with which an answer is shown (MOSAIC) or an ad wins (segment auction with one winner), a formula each. What
is left of chance is the answers themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llm_auction.evaluation.judged import judged_expectation
from llm_auction.mechanisms.mosaic_allocation import argmax_auction, mosaic_auction
from llm_auction.mechanisms.segment_auction import LEAST_RELEVANCE


def mosaic_curve(
    expected_clicks: np.ndarray,
    costs: np.ndarray,
    bids: Sequence[float],
    ad: int,
    ladder: Sequence[int],
    tau: float,
    clicks_of_ad: np.ndarray,
) -> np.ndarray:
    """itctr (B,) of one ad under MOSAIC while its bid takes every value of the ladder.

    Args:
        expected_clicks: (M, n) click probability that the mechanism expects of ad i in candidate answer j.
        costs: (M,) bid-free costs, currency units.
        bids: (n,) bids a click; that of `ad` is replaced.
        ad: index of the probed ad.
        ladder: (B,) its bids.
        tau: temperature in currency units a nat; 0 is the argmax limit.
        clicks_of_ad: (M,) the user's own click probability of the probed ad in each candidate answer; NaN where an LLM
            did not judge it, which leaves that answer out.

    Raises:
        ValueError: see `mosaic_auction`.
    """
    points = []
    for bid in ladder:
        moved = np.array(bids, dtype=np.float64)
        moved[ad] = bid
        rewards = expected_clicks * moved
        allocation = mosaic_auction(rewards, -costs / tau, tau) if tau else argmax_auction(rewards, costs)
        points.append(judged_expectation(allocation.probabilities, clicks_of_ad))
    return np.array(points)


def segment_curve(
    relevance: np.ndarray, bids: Sequence[float], ad: int, ladder: Sequence[int], click_probability: float
) -> np.ndarray:
    """itctr (B,) of one ad in the segment auction with one winner: P(win) at each bid x clicks in a winner's answer.

    Args:
        relevance: (n,) q_i.
        bids: (n,) bids a click; that of `ad` is replaced.
        ad: index of the probed ad.
        ladder: (B,) its bids.
        click_probability: of the ad in answers to a prompt that offers it alone, 0 counted where they don't insert it.
    """
    quality = np.clip(relevance, LEAST_RELEVANCE, 1.0)
    scores = quality * np.asarray(bids, dtype=np.float64)
    own, others = quality[ad] * np.asarray(ladder, dtype=np.float64), scores.sum() - scores[ad]
    total = own + others
    return np.divide(own, total, out=np.zeros_like(own), where=total > 0) * click_probability
