"""Eq. 5: expected revenue minus the penalty."""

from __future__ import annotations

import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.bidding import draw_bids
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.objective import Penalty, reward
from llm_auction.profiles.schema import BiddingConfig

ADS = (Ad("1", "Trail Shoes", "hiking boots"), Ad("2", "Dome Tent", "camping gear", bid_low=7, bid_high=7))


def auction(bids: tuple[int, ...] = (50, 20)) -> Auction:
    return Auction(Query("q", "u", "a weekend hike"), UserProfile("u", "A nurse."), ADS, bids)


def test_reward_is_bid_times_click_probability_minus_the_price_of_ads_and_errors() -> None:
    answer = f"{render_insertion(ADS[0])} {render_insertion(ADS[1])} [Ad-9]"
    parsed = parse_answer(answer, ADS)
    penalty = Penalty(lambda_=2.0, ad_weight=3.0, error_weight=10.0)
    assert reward(auction(), parsed, {"1": 0.5, "2": 0.1}, penalty) == pytest.approx(25 + 2 - 2 * (3 * 2 + 10))


def test_reward_wants_the_probabilities_of_the_inserted_ads() -> None:
    parsed = parse_answer(render_insertion(ADS[0]), ADS)
    with pytest.raises(ValueError, match="click probabilities"):
        reward(auction(), parsed, {"2": 0.5}, Penalty())


def test_an_auction_needs_a_bid_for_every_candidate_and_none_below_zero() -> None:
    with pytest.raises(ValueError, match="2 candidates but 1 bids"):
        auction((1,))
    with pytest.raises(ValueError, match=">= 0"):
        auction((1, -1))


def test_bids_depend_on_query_and_phase_alone_and_stay_in_range() -> None:
    config = BiddingConfig(low=1, high=100)
    first = draw_bids("q1", ADS, config, 0, "llm_auction", "01", "feedback")
    assert first == draw_bids("q1", ADS, config, 0, "llm_auction", "01", "feedback")
    draws = {draw_bids(f"q{n}", ADS, config, 0, phase) for n in range(20) for phase in ("feedback", "preferences")}
    assert len(draws) > 30
    assert all(1 <= bids[0] <= 100 and bids[1] == 7 for bids in draws)
