"""The segment auction of RAG-Auction (Hajiaghayi, Lahaie, Rezaei, Shin, NeurIPS 2024, arXiv 2406.09459).

Scores q_i * b_i * exp(eps_i) with Gumbel noise eps_i; the k highest win and each pays, per click, the smallest bid that
would still have won. With k = 1 ad i wins with probability q_i b_i / sum_j q_j b_j; sets of k follow Plackett-Luce.
Truthful and individually rational; it maximises the logarithmic welfare sum_i v_i q_i log x_i over allocations x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Relevance is clipped to this share of certainty, so that every ad with a bid has a chance.
LEAST_RELEVANCE = 1e-3


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """`winners` by descending score, as indices of ads; `prices` per click, in their order, never above their bids."""

    winners: tuple[int, ...]
    prices: tuple[float, ...]


def segment_auction(relevance: np.ndarray, bids: np.ndarray, winners: int, rng: np.random.Generator) -> SegmentResult:
    """Run one segment auction.

    Args:
        relevance: (n,) q_i, read as a click probability; clipped to [LEAST_RELEVANCE, 1].
        bids: (n,) b_i >= 0 per click; an ad that bids 0 never wins.
        winners: k >= 1; fewer win when fewer ads bid.
        rng: draws the noise, one number an ad, whatever the bids.

    Raises:
        ValueError: shapes that differ, a bid below 0 or a value that isn't finite, k < 1.
    """
    if relevance.ndim != 1 or relevance.shape != bids.shape:
        raise ValueError(f"relevance and bids must be (n,), got shapes {relevance.shape} and {bids.shape}")
    if not (np.isfinite(relevance).all() and np.isfinite(bids).all() and (bids >= 0).all()):
        raise ValueError("relevance must be finite, and bids finite and >= 0")
    if winners < 1:
        raise ValueError(f"a segment auction needs at least one winner, got {winners}")
    # In logarithms: exp of a Gumbel draw has no finite mean, and products of small factors lose nothing.
    handicap = np.log(np.clip(relevance, LEAST_RELEVANCE, 1.0)) + rng.gumbel(size=len(bids))
    with np.errstate(divide="ignore"):
        scores = handicap + np.log(bids)
    ranking = [int(ad) for ad in np.argsort(-scores, kind="stable") if bids[ad] > 0]
    won = ranking[:winners]
    beaten = scores[ranking[winners]] if len(ranking) > winners else -np.inf
    # min: rounding in exp(log) must not push a price above the bid.
    prices = (min(float(np.exp(beaten - handicap[ad])), float(bids[ad])) for ad in won)
    return SegmentResult(tuple(won), tuple(prices))


def expected_price(relevance: np.ndarray, bids: np.ndarray, ad: int) -> float:
    """E[price * 1(ad wins)] with one winner, per click: Myerson's payment, in closed form.

    With S = sum over the others of q_j b_j:  (S / q) * ln(1 + q b / S) - b S / (q b + S).
    """
    weights = np.clip(relevance, LEAST_RELEVANCE, 1.0) * bids
    others = float(weights.sum() - weights[ad])
    if others == 0.0:
        return 0.0
    own = float(weights[ad])
    quality = own / bids[ad] if bids[ad] else 1.0
    return others / quality * float(np.log1p(own / others)) - float(bids[ad]) * others / (own + others)
