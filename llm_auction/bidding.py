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
    An ad's own bid range, where its catalog gives one, takes the place of the profile's.
    """
    rng = generator(seed, "bids", *labels, query_id)
    low = [config.low if ad.bid_low is None else ad.bid_low for ad in candidates]
    high = [config.high if ad.bid_high is None else ad.bid_high for ad in candidates]
    return tuple(int(bid) for bid in rng.integers(low, high, endpoint=True))
