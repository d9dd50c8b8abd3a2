"""The guard on answer quality: length and repetition, and what they cost."""

from __future__ import annotations

import pytest

from llm_auction.answers import parse_answer, readable, render_insertion
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.objective import Penalty, penalty_of
from llm_auction.profiles.irpo import RewardConfig
from llm_auction.restraint import excess_words, repeated_share

BOOTS = Ad("1", "Ridge Boots", "hiking boots")
AUCTION = Auction(Query("q", "u", "What helps?"), UserProfile("u", "A hiker."), (BOOTS,), (50,))
AD = render_insertion(BOOTS)


def test_repetition() -> None:
    assert repeated_share("one two three four") == 0.0
    assert repeated_share("go out now go out now go out now") == pytest.approx(1 - 3 / 7)
    assert repeated_share("two words") == 0.0


def test_ads_are_read_by_their_titles_also_where_the_link_is_wrong() -> None:
    assert readable(f"Try {AD} or @Fake@[Ad-9].") == "Try Ridge Boots or Fake."
    assert excess_words(f"Try {AD} now.", 0) == 4
    assert excess_words(f"Try {AD} now.", 3) == 1
    assert excess_words("", 0) == 0


def test_every_word_beyond_the_free_ones_and_every_repetition_costs() -> None:
    once, twice = (parse_answer(f"Try {AD} now." * count, AUCTION.candidates) for count in (1, 2))
    plain = Penalty()
    assert Penalty(length_weight=0.5, free_words=2).of(AUCTION, once) == plain.of(AUCTION, once) + 0.5 * 2
    guarded = Penalty(repetition_weight=20.0)
    assert guarded.of(AUCTION, once) == plain.of(AUCTION, once)
    # Eight words have six triples, of which two stood there before.
    assert guarded.of(AUCTION, twice) == pytest.approx(plain.of(AUCTION, twice) + 20.0 * 2 / 6)


def test_a_profile_without_guards_prices_ads_and_errors_alone() -> None:
    long = parse_answer("go out now " * 100 + AD, AUCTION.candidates)
    assert penalty_of(RewardConfig()).of(AUCTION, long) == 4.0
    assert penalty_of(RewardConfig(length_weight=1.0, free_words=0, lambda_=0.5)).of(AUCTION, long) == 0.5 * (4 + 302)
