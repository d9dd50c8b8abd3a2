"""Bids of the simulated advertisers (arXiv 2512.10551, section 5.1).

Uniform integers for every query and candidate, drawn anew in each iteration and again between its two phases, so that
the model can't overfit to bids.
"""

from __future__ import annotations

from collections.abc import Sequence

from llm_auction.market import Ad
from llm_auction.profiles.schema import BiddingConfig
from llm_auction.seeds import generator


def draw_bids(
    query_id: str, candidates: Sequence[Ad], config: BiddingConfig, seed: int, *labels: str | int
) -> tuple[int, ...]:
    """Bids per click for the candidates of one query, in their order.

    `labels` name the draw (arm, iteration, phase). The bids of a query don't depend on which other queries are drawn.
    """
    rng = generator(seed, "bids", *labels, query_id)
    ranges = [bid_range(ad, config) for ad in candidates]
    low, high = [low for low, _ in ranges], [high for _, high in ranges]
    return tuple(int(bid) for bid in rng.integers(low, high, endpoint=True))


def bid_range(ad: Ad, config: BiddingConfig) -> tuple[int, int]:
    """Lowest and highest bid of an ad: its own range, where its catalog gives one, in place of the profile's."""
    low = config.low if ad.bid_low is None else ad.bid_low
    return low, config.high if ad.bid_high is None else ad.bid_high
