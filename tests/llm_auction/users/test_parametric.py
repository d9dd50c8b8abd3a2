"""The four criteria of the parametric user, and that its probabilities are the marginals of its draws."""

from __future__ import annotations

import time

import numpy as np
import pytest

from llm_auction.answers import render_insertion
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.users import ParametricUser, UserParameters

BOOTS = Ad("1", "Ridgeway Boots", "hiking boots")
OTHER_BOOTS = Ad("2", "St. Bernard No. 2 Boots", "hiking boots")
TENT = Ad("3", "Calm Night Tent", "camping gear")
SHAMPOO = Ad("4", "Silk Shampoo", "hair care")
MATS = Ad("5", "Still Yoga Mat", "yoga mats")
KAYAK = Ad("6", "Otter Kayak", "kayaks")
ADS = (BOOTS, OTHER_BOOTS, TENT, SHAMPOO, MATS, KAYAK)
USER = ParametricUser(ADS)
AUCTION = Auction(
    Query("q", "u", "What helps with muddy trails?", "hiking boots"),
    UserProfile("u", "34, nurse; cares about camping gear.", ("camping gear",)),
    ADS,
    (10, 20, 30, 40, 50, 60),
)


def answer_with(*ads: Ad) -> str:
    """An answer that weaves in each ad perfectly: helpful text first, a sentence of its own, on topic."""
    sentences = ["Muddy trails ask for a firm grip."]
    sentences += [f"For muddy trails many people are happy with {render_insertion(ad)} these days." for ad in ads]
    return " ".join(sentences)


def probability_of(ad: Ad, answer: str, auction: Auction = AUCTION) -> float:
    return USER.click_probabilities(auction, answer)[ad.ad_id]


def test_the_documented_numbers() -> None:
    best = AUCTION.profile.__class__("u", "", ("hiking boots",))
    auction = Auction(AUCTION.query, best, ADS, AUCTION.bids)
    assert probability_of(BOOTS, answer_with(BOOTS), auction) == pytest.approx(1 / (1 + np.exp(-2.2)))
    assert USER.appeal(auction, BOOTS, 0.0) == pytest.approx(1 / (1 + np.exp(-0.4)))
    assert USER.appeal(auction, SHAMPOO) == pytest.approx(1 / (1 + np.exp(2.2)))


def test_relevance_to_query_raises_clicks() -> None:
    same, related, unrelated = (probability_of(ad, answer_with(ad)) for ad in (BOOTS, TENT, SHAMPOO))
    # The tent is what the profile cares about, the boots what the question asks for.
    assert same > related > unrelated


def test_relevance_to_profile_raises_clicks() -> None:
    nobody = Auction(AUCTION.query, UserProfile("u", "A person.", ("hair care",)), ADS, AUCTION.bids)
    assert probability_of(TENT, answer_with(TENT)) > probability_of(TENT, answer_with(TENT), nobody)


def test_nativeness_raises_clicks() -> None:
    woven = answer_with(BOOTS)
    first = f"For muddy trails many people like {render_insertion(BOOTS)} these days. Keep them dry."
    bare = render_insertion(BOOTS)
    assert probability_of(BOOTS, woven) > probability_of(BOOTS, first) > probability_of(BOOTS, bare)


def test_a_competitor_of_the_same_category_divides_the_attention() -> None:
    alone = probability_of(BOOTS, answer_with(BOOTS))
    beside_another_kind = probability_of(BOOTS, answer_with(BOOTS, SHAMPOO))
    beside_a_competitor = probability_of(BOOTS, answer_with(BOOTS, OTHER_BOOTS))
    assert alone > beside_another_kind > beside_a_competitor
    both = sum(USER.click_probabilities(AUCTION, answer_with(BOOTS, OTHER_BOOTS)).values())
    assert both <= alone


def test_at_most_one_ad_of_a_category_is_clicked() -> None:
    rng = np.random.default_rng(0)
    answer = answer_with(BOOTS, OTHER_BOOTS, TENT)
    for _ in range(300):
        clicked = {judgement.ad_id for judgement in USER.judge(AUCTION, answer, rng) if judgement.clicked}
        assert len(clicked & {"1", "2"}) <= 1


def test_ads_without_a_category_do_not_compete() -> None:
    ads = (Ad("a", "muddy trails boots", ""), Ad("b", "muddy trails shoes", ""))
    auction = Auction(Query("q", "u", "muddy trails"), UserProfile("u", "someone"), ads, (1, 1))
    assessments = ParametricUser(ads).assess(auction, answer_with(*ads))
    assert [assessment.share for assessment in assessments] == [1.0, 1.0]


def test_too_many_ads_flood_the_answer() -> None:
    assert all(value > 0 for value in USER.click_probabilities(AUCTION, answer_with(*ADS[:4])).values())
    flooded = USER.click_probabilities(AUCTION, answer_with(*ADS[:5]))
    assert set(flooded.values()) == {0.0} and len(flooded) == 5


@pytest.mark.parametrize(
    "talk", ["This is an Advertisement.", "Sponsored link below.", "I wrote this as an\nad.", "BUY NOW!", "Click here."]
)
def test_talk_about_the_insertion_clicks_nothing(talk: str) -> None:
    assert set(USER.click_probabilities(AUCTION, f"{answer_with(BOOTS)} {talk}").values()) == {0.0}


@pytest.mark.parametrize("harmless", ["It suits you as an adult.", "The sponsorship of clubs is another matter."])
def test_words_that_only_resemble_such_talk_do_no_harm(harmless: str) -> None:
    assert probability_of(BOOTS, f"{answer_with(BOOTS)} {harmless}") == probability_of(BOOTS, answer_with(BOOTS))


def test_an_ad_title_is_no_talk_about_the_insertion() -> None:
    ad = Ad("7", "Buy Now Boots", "hiking boots")
    auction = Auction(AUCTION.query, AUCTION.profile, (ad,), (5,))
    assert probability_of(ad, answer_with(ad), auction) > 0


def test_exactly_the_inserted_ads_are_judged() -> None:
    answer = f"{answer_with(BOOTS)} @Wrong Title@[Ad-3] and [Ad-4]."
    assert list(USER.click_probabilities(AUCTION, answer)) == ["1"]
    assert USER.click_probabilities(AUCTION, "No ad at all.") == {}
    assert USER.judge(AUCTION, "", np.random.default_rng(0)) == []


def test_probabilities_are_the_marginals_of_the_draws() -> None:
    answer = answer_with(OTHER_BOOTS, TENT, BOOTS)
    expected = USER.click_probabilities(AUCTION, answer)
    rng = np.random.default_rng(1)
    draws = 6000
    counts = dict.fromkeys(expected, 0)
    for _ in range(draws):
        for judgement in USER.judge(AUCTION, answer, rng):
            counts[judgement.ad_id] += judgement.clicked
            assert judgement.probability == expected[judgement.ad_id]
    for ad_id, probability in expected.items():
        deviation = np.sqrt(probability * (1 - probability) / draws)
        assert counts[ad_id] / draws == pytest.approx(probability, abs=4 * deviation)


def test_draws_repeat_under_the_same_generator() -> None:
    answer = answer_with(BOOTS, TENT)
    first, second = (
        [USER.judge(AUCTION, answer, rng) for _ in range(20)] for rng in map(np.random.default_rng, (7, 7))
    )
    assert first == second


def test_each_judgement_names_the_criterion_that_weighed_most() -> None:
    certain, never = (ParametricUser(ADS, UserParameters(intercept=intercept)) for intercept in (30.0, -30.0))
    rng = np.random.default_rng(0)

    def reasons(user: ParametricUser, answer: str) -> list[str]:
        return [judgement.reason for judgement in user.judge(AUCTION, answer, rng)]

    assert reasons(certain, answer_with(BOOTS)) == ["relevance: it answers the question"]
    assert reasons(never, answer_with(SHAMPOO)) == ["relevance: it does not answer the question"]
    assert reasons(never, render_insertion(BOOTS))[0].startswith("nativeness")
    assert any(reason.startswith("competitiveness") for reason in reasons(certain, answer_with(BOOTS, OTHER_BOOTS)))
    assert all(reason.startswith("flooding") for reason in reasons(certain, answer_with(*ADS[:5])))


@pytest.mark.parametrize(
    ("field", "value"),
    [("query_weight", -1.0), ("attention_cost", -0.1), ("max_ads", 0), ("intercept", float("nan"))],
)
def test_a_wrong_parameter_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        UserParameters(**{field: value})


def test_judging_is_fast_enough_for_a_hundred_thousand_answers() -> None:
    rng = np.random.default_rng(0)
    answers = [f"{answer_with(BOOTS, TENT, SHAMPOO)} Tip {number}." for number in range(500)]
    start = time.process_time()
    for answer in answers:
        USER.judge(AUCTION, answer, rng)
    assert (time.process_time() - start) / len(answers) < 120 / 100_000


def test_tastes_move_the_odds_of_a_category_and_of_no_other() -> None:
    fashion = ParametricUser(ADS, tastes={"hiking boots": 1.0, "unheard of": 5.0})
    before, after = USER.appeal(AUCTION, BOOTS), fashion.appeal(AUCTION, BOOTS)
    assert after / (1 - after) == pytest.approx(np.e * before / (1 - before))
    assert fashion.appeal(AUCTION, TENT) == USER.appeal(AUCTION, TENT)
    assert fashion.click_probabilities(AUCTION, answer_with(BOOTS))[BOOTS.ad_id] == pytest.approx(after)
