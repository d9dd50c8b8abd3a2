"""First price: what is charged, and that nobody pays more than the bid for what was delivered."""

from __future__ import annotations

import math

import pytest

from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.payments import advertiser_utilities, charge_clicks, expected_bill, first_price, value_maximiser_bid

AUCTION = Auction(
    Query("q", "u", "boots?"), UserProfile("u", "someone"), (Ad("1", "Boots", "b"), Ad("2", "Tent", "t")), (40, 10)
)


def test_expected_first_price_is_bid_times_click_probability() -> None:
    assert first_price(AUCTION, {"1": 0.5, "2": 0.1}) == {"1": 20.0, "2": 1.0}
    assert first_price(AUCTION, {}) == {}


def test_each_click_costs_the_bid() -> None:
    assert charge_clicks(AUCTION, ["1", "2", "1"]) == {"1": 80.0, "2": 10.0}


def test_individual_rationality() -> None:
    clicks = {"1": 0.3, "2": 0.8}
    paid = first_price(AUCTION, clicks)
    truthful = advertiser_utilities({"1": 40.0, "2": 10.0}, clicks, paid)
    assert all(utility == pytest.approx(0.0) for utility in truthful.values())
    shaded = advertiser_utilities({"1": 50.0, "2": 12.0}, clicks, paid)
    assert all(utility > 0 for utility in shaded.values())


def test_an_ad_that_is_charged_without_being_shown_loses_that() -> None:
    assert advertiser_utilities({"1": 5.0}, {}, {"1": 2.0}) == {"1": -2.0}


def test_a_value_maximiser_meets_its_target_click_by_click() -> None:
    bid = value_maximiser_bid(60.0, 1.5)
    assert bid == 40.0
    clicks = {"1": 0.7}
    paid = first_price(AUCTION, clicks)["1"]
    assert clicks["1"] * 60.0 >= 1.5 * paid - 1e-9


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_a_probability_outside_its_range_is_named(probability: float) -> None:
    with pytest.raises(ValueError, match="ad 1"):
        first_price(AUCTION, {"1": probability})


def test_wrong_targets_are_named() -> None:
    with pytest.raises(ValueError, match="ROI"):
        value_maximiser_bid(1.0, 0.5)
    with pytest.raises(ValueError, match="value"):
        value_maximiser_bid(-1.0, 1.0)
    with pytest.raises(KeyError):
        charge_clicks(AUCTION, ["9"])


def test_the_bill_of_an_answer_that_was_not_judged_is_unknown() -> None:
    assert expected_bill(AUCTION, {"1": 0.5}) == first_price(AUCTION, {"1": 0.5})
    assert all(map(math.isnan, expected_bill(AUCTION, {"1": math.nan, "2": math.nan}).values()))
    assert expected_bill(AUCTION, {}) == {}
