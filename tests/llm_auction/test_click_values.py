"""Bids for conversions: what a click is then worth, and that the bound and the reward follow it."""

from __future__ import annotations

import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.click_values import bids_for_clicks, bids_for_conversions, conversions_from_buyer, per_click
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.objective import Penalty, reward
from llm_auction.users import ParametricUser, clairvoyant_reward
from llm_auction.users.conversions import ParametricBuyer

ADS = (
    Ad("1", "Trail Shoes", "hiking boots"),
    Ad("2", "Dome Tent", "camping gear"),
    Ad("3", "Camp Stove", "camping gear"),
)
AUCTION = Auction(
    Query("q", "u", "a weekend hike", "hiking boots"),
    UserProfile("u", "A nurse.", ("camping gear",)),
    ADS,
    (50, 20, 90),
)


def test_a_click_is_worth_the_bid_unless_bids_are_for_conversions() -> None:
    assert bids_for_clicks([AUCTION]) == [AUCTION]
    (valued,) = bids_for_conversions(lambda auctions: [{"1": 0.1, "2": 0.5, "3": 0.0}], 4.0)([AUCTION])
    assert valued.bids == pytest.approx((20.0, 40.0, 0.0))
    assert valued.candidates == AUCTION.candidates
    with pytest.raises(ValueError, match="query q: conversion rates must be in"):
        per_click(AUCTION, {"1": 1.5, "2": 0.0, "3": 0.0}, 1.0)


def test_no_answer_is_worth_more_than_the_bound_under_conversions() -> None:
    user, penalty = ParametricUser(ADS), Penalty(ad_weight=0.5)
    (valued,) = bids_for_conversions(conversions_from_buyer(ParametricBuyer(ADS)), 5.0)([AUCTION])
    best = clairvoyant_reward(AUCTION, user, penalty, valued)
    worths = []
    for chosen in ([0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]):
        text = "Pack light and check the weather. " + " ".join(
            f"For your hike, {render_insertion(ADS[place])} is worth a look." for place in chosen
        )
        parsed = parse_answer(text, ADS)
        worths.append(reward(valued, parsed, user.click_probabilities(AUCTION, text), penalty))
    assert max(worths) <= best.reward + 1e-9
    assert best.reward == pytest.approx(max(worths), rel=0.2)
    clicks = {ad.ad_id: user.attention(len(best.ad_ids)) * user.appeal(AUCTION, ad) for ad in ADS}
    assert best.revenue == pytest.approx(sum(AUCTION.bid_of(one) * clicks[one] for one in best.ad_ids))
