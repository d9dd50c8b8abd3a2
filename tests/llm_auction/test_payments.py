"""First price: what is charged, and that nobody pays more than the bid for what was delivered."""

from __future__ import annotations

import math

import pytest

from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.payments import expected_bill, first_price

AUCTION = Auction(
    Query("q", "u", "boots?"), UserProfile("u", "someone"), (Ad("1", "Boots", "b"), Ad("2", "Tent", "t")), (40, 10)
)


def test_expected_first_price_is_bid_times_click_probability() -> None:
    assert first_price(AUCTION, {"1": 0.5, "2": 0.1}) == {"1": 20.0, "2": 1.0}
    assert first_price(AUCTION, {}) == {}


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_a_probability_outside_its_range_is_named(probability: float) -> None:
    with pytest.raises(ValueError, match="ad 1"):
        first_price(AUCTION, {"1": probability})


def test_an_ad_that_is_no_candidate_is_refused() -> None:
    with pytest.raises(KeyError):
        first_price(AUCTION, {"9": 0.5})


def test_the_bill_of_an_answer_that_was_not_judged_is_unknown() -> None:
    assert expected_bill(AUCTION, {"1": 0.5}) == first_price(AUCTION, {"1": 0.5})
    assert all(map(math.isnan, expected_bill(AUCTION, {"1": math.nan, "2": math.nan}).values()))
    assert expected_bill(AUCTION, {}) == {}
