"""A reserve price per click: ads that bid less take no part in the auction.

Mechanisms charge at least the reserve for a click. Under first price the bid itself is charged, so the condition to
take part is enough; the segment auction and MOSAIC floor their critical prices (`llm_auction.mechanisms`).
"""

from __future__ import annotations

from llm_auction.market import Auction


def with_reserve(auction: Auction, reserve: float) -> Auction:
    """The auction among the candidates whose bid is at least `reserve`; there may be none.

    Args:
        auction: all candidates and bids.
        reserve: currency units a click; 0 keeps every candidate.

    Raises:
        ValueError: the reserve is negative.
    """
    if not reserve >= 0:
        raise ValueError(f"a reserve price must be >= 0, got {reserve}")
    return auction.only(place for place, bid in enumerate(auction.bids) if bid >= reserve)
