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


def segment_auction(
    relevance: np.ndarray, bids: np.ndarray, winners: int, rng: np.random.Generator, reserve: float = 0.0
) -> SegmentResult:
    """Run one segment auction.

    Args:
        relevance: (n,) q_i, read as a click probability; clipped to [LEAST_RELEVANCE, 1].
        bids: (n,) b_i >= 0 per click; an ad that bids 0 never wins.
        winners: k >= 1; fewer win when fewer ads bid.
        rng: draws the noise, one number an ad, whatever the bids.
        reserve: least price a click; an ad that bids less never wins.

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
    ranking = [int(ad) for ad in np.argsort(-scores, kind="stable") if bids[ad] > 0 and bids[ad] >= reserve]
    won = ranking[:winners]
    beaten = scores[ranking[winners]] if len(ranking) > winners else -np.inf
    # min: rounding in exp(log) must not push a price above the bid.
    prices = (min(max(float(np.exp(beaten - handicap[ad])), reserve), float(bids[ad])) for ad in won)
    return SegmentResult(tuple(won), tuple(prices))


def expected_price(relevance: np.ndarray, bids: np.ndarray, ad: int, reserve: float = 0.0) -> float:
    """E[price * 1(ad wins)] with one winner, per click: Myerson's payment, in closed form.

    With x(b) = q b / (q b + S), S = sum over the others of q_j b_j, and the reserve r: b x(b) - integral of x over
    [r, b] = r + (S / q) * ln((q b + S) / (q r + S)) - b S / (q b + S); 0 for a bid below r, which counts in no S.
    """
    weights = np.clip(relevance, LEAST_RELEVANCE, 1.0) * np.where(bids >= reserve, bids, 0.0)
    own, bid = float(weights[ad]), float(bids[ad])
    others = float(weights.sum() - own)
    if own == 0.0 or others == 0.0:
        return reserve if own > 0.0 else 0.0
    quality = own / bid
    won_at_reserve = quality * reserve
    return (
        reserve
        + others / quality * float(np.log((own + others) / (won_at_reserve + others)))
        - bid * others / (own + others)
    )
