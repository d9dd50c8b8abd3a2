"""Ad fidelity: what the text says of an ad is its own, another's, or invented."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.fidelity import infidelity
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.objective import Penalty, reward

BOOTS = Ad(
    "1", "Ridge Boots", "hiking boots", "Leather boots with firm ankle support for muddy trails, 900 g.", "Ridge"
)
SHOES = Ad("2", "Trail Shoes", "hiking boots", "Breathable shoes for a weekend.")
OVEN = Ad("3", "Bread Oven", "baking", "Stone floor for crusty loaves, with a lifetime warranty.")
BARE = Ad("4", "Kite", "")
AUCTION = Auction(
    Query("q", "u", "What do I need for 3 days outdoors?"),
    UserProfile("u", "A hiker."),
    (BOOTS, SHOES, OVEN, BARE),
    (50, 40, 30, 20),
)


def measured(sentence: str, ad: Ad = BOOTS, auction: Auction = AUCTION) -> float:
    """Infidelity of one ad in a sentence, `{}` where its link stands, behind a sentence of another topic."""
    text = f"Crusty loaves need a stone floor. {sentence.format(render_insertion(ad))} Free for 99 euros."
    return infidelity(auction, parse_answer(text, auction.candidates))[ad.ad_id]


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("For muddy trails, {} is a solid choice.", 0.0),
        ("You may also like {}.", 0.0),
        ("{}!", 0.0),
        ("For crusty loaves, {} is worth a look.", 1.0),  # what is true of the oven
        ("For crusty loaves and muddy trails, try {}.", 0.5),
        ("A breathable choice for the weekend is {}.", 0.0),  # its category may say that
        ("{} is waterproof.", 1.0),
        ("With its firm ankle support {} is waterproof.", 0.25),
        ("At 900 g {} is light.", 0.0),
        ("At 450 g {} is light.", 1.0),
        ("For 3 days, take {}.", 0.0),  # the question's own number
    ],
)
def test_what_is_said_of_an_ad(sentence: str, expected: float) -> None:
    assert measured(sentence) == pytest.approx(expected)


def test_a_promise_that_the_ad_makes_is_backed() -> None:
    assert measured("{} has a lifetime warranty.", OVEN) == 0.0
    assert measured("{} has a lifetime warranty.") == 1.0


def test_an_ad_without_category_or_description_is_measured_too() -> None:
    assert measured("For muddy trails, {} is nice.", BARE) == 1.0
    assert measured("{} flies.", BARE) == 0.0


def test_ads_of_one_sentence_are_measured_each_by_its_own_words() -> None:
    text = f"For muddy trails, {render_insertion(BOOTS)} and {render_insertion(OVEN)}."
    assert infidelity(AUCTION, parse_answer(text, AUCTION.candidates)) == {"1": 0.0, "3": 1.0}
    assert infidelity(AUCTION, parse_answer("Nothing to see.", AUCTION.candidates)) == {}


def test_the_objective_prices_it_and_by_default_does_not() -> None:
    answer = parse_answer(f"For crusty loaves, {render_insertion(BOOTS)} is worth a look.", AUCTION.candidates)
    plain = reward(AUCTION, answer, {"1": 0.5}, Penalty())
    assert plain == 25.0 - 4.0
    assert reward(AUCTION, answer, {"1": 0.5}, Penalty(fidelity_weight=10.0)) == plain - 10.0
    assert reward(AUCTION, answer, {"1": 0.5}, Penalty(lambda_=2.0, fidelity_weight=10.0)) == 25.0 - 2 * 14.0


def test_hostile_text_is_only_text() -> None:
    hostile = replace(AUCTION, query=Query("q", "u", "(?P<x> \\ud800 " + "9" * 5000))
    assert 0.0 <= measured("\x00 $(rm) %s {{}} {}", auction=hostile) <= 1.0
