"""An auction among some of its candidates."""

from __future__ import annotations

import pytest

from llm_auction.market import Ad, Auction, Query, UserProfile

ADS = (Ad("1", "Boots", "b"), Ad("2", "Tent", "t"), Ad("3", "Lamp", "l"))
AUCTION = Auction(Query("q", "u", "boots?"), UserProfile("u", "someone"), ADS, (40, 10, 25))


def test_the_candidates_that_are_kept_keep_their_order_and_bids() -> None:
    kept = AUCTION.only([2, 0])
    assert (kept.candidates, kept.bids) == ((ADS[0], ADS[2]), (40, 25))
    assert (kept.query, kept.profile) == (AUCTION.query, AUCTION.profile)
    assert AUCTION.only(range(3)) == AUCTION


def test_no_candidate_may_be_left() -> None:
    assert AUCTION.only(()).candidates == ()


def test_a_place_that_no_candidate_has_is_refused() -> None:
    with pytest.raises(IndexError):
        AUCTION.only([3])
