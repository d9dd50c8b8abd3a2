"""Probes: one ad of an auction whose bid climbs a ladder, all else equal.

The paper's ladders run from 1 to 100, the range of its bids. An ad climbs the same ladder stretched over the range from
which its own bids are drawn (the profile's, or its catalog's), so that a study with other bids is looked at where its
advertisers bid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

from llm_auction.bidding import bid_range
from llm_auction.market import Ad, Auction
from llm_auction.profiles.schema import BiddingConfig
from llm_auction.reserve import with_reserve

LOWEST, HIGHEST = 1, 100


@dataclass(frozen=True, slots=True)
class Probe:
    """The ad whose bid is moved in one auction: it takes every one of `bids` in turn (B,), ascending.

    Under a `reserve` price ads that bid less take no part, the probed one included.
    """

    auction: Auction
    ad_id: str
    bids: tuple[int, ...]
    reserve: float = 0.0

    def at(self, step: int) -> Auction:
        """The auction at one step of the ladder."""
        return with_reserve(with_bid(self.auction, self.ad_id, self.bids[step]), self.reserve)

    @property
    def entered(self) -> Auction:
        """The auction in which the ad takes part, whatever it bids itself."""
        own = max(self.auction.bid_of(self.ad_id), self.reserve)
        return with_reserve(with_bid(self.auction, self.ad_id, own), self.reserve)


def with_bid(auction: Auction, ad_id: str, bid: float) -> Auction:
    """The same auction in which only the bid of `ad_id` is another."""
    bids = tuple(bid if ad.ad_id == ad_id else own for ad, own in zip(auction.candidates, auction.bids, strict=True))
    return replace(auction, bids=bids)


def stretched(ladder: Sequence[int], low: int, high: int) -> tuple[int, ...]:
    """A ladder of bids from 1 to 100, over `low` to `high` instead; whole numbers, as bids are."""
    return tuple(low + floor((bid - LOWEST) * (high - low) / (HIGHEST - LOWEST) + 0.5) for bid in ladder)


def ladders(auction: Auction, ladder: Sequence[int], bidding: BiddingConfig) -> dict[str, tuple[int, ...]]:
    """By ad id, the stretched ladder of every candidate whose range has a bid of its own for each step.

    Raises:
        ValueError: no candidate has; says what to widen.
    """
    found = {ad.ad_id: _ladder_of(ad, ladder, bidding) for ad in auction.candidates}
    wide = {ad_id: bids for ad_id, bids in found.items() if len(set(bids)) == len(ladder)}
    if not wide:
        low, high = min(found.values())[0], max(bids[-1] for bids in found.values())
        raise ValueError(
            f"query {auction.query.query_id}: its ads bid {low} to {high}, and none has whole numbers enough for the "
            f"{len(ladder)} different bids of this check; count bids in a smaller unit (bidding.low and bidding.high, "
            "or bid_low and bid_high of the catalog), or raise properties.continuity_step if the check is continuity"
        )
    return wide


def _ladder_of(ad: Ad, ladder: Sequence[int], bidding: BiddingConfig) -> tuple[int, ...]:
    return stretched(ladder, *bid_range(ad, bidding))
