"""The scripted policy: what it says of the probability of its answers is exact."""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations, product

import pytest

from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.traffic.scripted import FORMS, OPENINGS, ScriptedParameters, ScriptedPolicy, _sentence

ADS = (Ad("1", "Trail Shoes", "hiking boots"), Ad("2", "Family Tent", "camping gear"), Ad("3", "Family Tent", ""))
RELEVANCE = {"q": (1.0, 0.2, 0.0)}


def auction(bids: tuple[int, ...] = (10, 50, 90)) -> Auction:
    return Auction(Query("q", "u", "What helps on muddy trails?"), UserProfile("u", "Someone."), ADS, bids)


def everything_it_can_write(most: int) -> list[str]:
    texts = []
    for opening, number in product(OPENINGS, range(most + 1)):
        for shown in permutations(ADS, number):
            for style in product(product(FORMS, (False, True)), repeat=number):
                sentences = [_sentence(form, ad, broken) for (form, broken), ad in zip(style, shown, strict=True)]
                texts.append(" ".join([opening, *sentences]))
    return texts


def test_probabilities_of_all_answers_sum_to_one() -> None:
    policy = ScriptedPolicy(RELEVANCE, ScriptedParameters(ads=(0.2, 0.5, 0.3), broken_link=0.1))
    texts = everything_it_can_write(2)
    assert len(set(texts)) == len(texts)
    assert math.fsum(math.exp(policy.log_probability(auction(), text)) for text in texts) == pytest.approx(1.0)


def test_the_logged_probability_is_that_of_the_text() -> None:
    policy = ScriptedPolicy(RELEVANCE, ScriptedParameters(broken_link=0.2))
    for answer in policy.answer([auction()] * 200, seed=1):
        assert answer.logprob == pytest.approx(policy.log_probability(auction(), answer.text))


def test_answers_come_as_often_as_their_probability_says() -> None:
    policy = ScriptedPolicy(RELEVANCE, ScriptedParameters(ads=(0.4, 0.6), broken_link=0.0))
    drawn = Counter(answer.text for answer in policy.answer([auction()] * 20_000, seed=2))
    for text in everything_it_can_write(1):
        expected = math.exp(policy.log_probability(auction(), text))
        assert drawn[text] / 20_000 == pytest.approx(expected, abs=5 * math.sqrt(expected / 20_000) + 1e-4)


def test_what_it_never_writes_has_no_probability() -> None:
    policy = ScriptedPolicy(RELEVANCE)
    assert policy.log_probability(auction(), "Something else.") == -math.inf
    assert policy.log_probability(auction(), f"{OPENINGS[0]} @Unknown Ad@[Ad-9]!") == -math.inf


def test_a_higher_bid_is_shown_more_often_unless_bids_do_not_count() -> None:
    def shown(policy: ScriptedPolicy, bids: tuple[int, ...]) -> int:
        return sum("[Ad-2]" in answer.text for answer in policy.answer([auction(bids)] * 2000, seed=3))

    minds, ignores = ScriptedPolicy(RELEVANCE), ScriptedPolicy(RELEVANCE, ScriptedParameters(bid_weight=0.0))
    assert shown(minds, (10, 100, 10)) > 1.3 * shown(minds, (10, 10, 10))
    assert shown(ignores, (10, 100, 10)) == shown(ignores, (10, 10, 10))
    assert minds.version != ignores.version


@pytest.mark.parametrize("wrong", [{"ads": (0.5, 0.6)}, {"ads": ()}, {"ads": (1.5, -0.5)}, {"broken_link": 1.0}])
def test_chances_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="scripted policy"):
        ScriptedParameters(**wrong)  # type: ignore[arg-type]
