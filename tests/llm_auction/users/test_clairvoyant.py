"""The clairvoyant bound against brute force over all ad sets, and against answers that reach it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.objective import Penalty, expected_revenue, reward
from llm_auction.users import ParametricUser, UserParameters, clairvoyant_reward

CATEGORIES = ("hiking boots", "hiking boots", "camping gear", "hair care", "hair care", "running shoes", "yoga mats")


def draw_auction(rng: np.random.Generator) -> Auction:
    ads = tuple(Ad(str(number), f"Thing {number}", category) for number, category in enumerate(CATEGORIES))
    query = Query("q", "u", "What helps on muddy trails?", str(rng.choice(CATEGORIES)))
    profile = UserProfile("u", "someone", tuple(str(name) for name in rng.choice(CATEGORIES, 2)))
    return Auction(query, profile, ads, tuple(int(bid) for bid in rng.integers(0, 101, len(ads))))


def perfect_answer(ads: tuple[Ad, ...]) -> str:
    sentences = ["Muddy trails ask for a firm grip."]
    sentences += [f"On muddy trails many people are glad to have {render_insertion(ad)} with them." for ad in ads]
    return " ".join(sentences)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_best_of_all_ad_sets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = UserParameters(attention_cost=float(rng.choice([0.0, 0.12, 0.6])), max_ads=int(rng.choice([2, 4])))
    penalty = Penalty(ad_weight=float(rng.choice([0.0, 4.0, 15.0])))
    auction = draw_auction(rng)
    user = ParametricUser(auction.candidates, parameters)

    rewards: dict[tuple[str, ...], float] = {}
    for size in range(len(auction.candidates) + 1):
        for ads in combinations(auction.candidates, size):
            answer = perfect_answer(ads)
            parsed = parse_answer(answer, auction.candidates)
            assert len(parsed.inserted_ads) == size and parsed.format_errors == 0
            clicks = user.click_probabilities(auction, answer)
            rewards[parsed.ad_ids] = reward(auction, parsed, clicks, penalty)

    best = clairvoyant_reward(auction, user, penalty)
    assert best.reward == pytest.approx(max(rewards.values()), abs=1e-9)
    # The bound is reached, by a real answer with these ads.
    answer = perfect_answer(tuple(ad for ad in auction.candidates if ad.ad_id in best.ad_ids))
    clicks = user.click_probabilities(auction, answer)
    assert expected_revenue(auction, clicks) == pytest.approx(best.revenue)
    assert reward(auction, parse_answer(answer, auction.candidates), clicks, penalty) == pytest.approx(best.reward)


def test_worse_placements_and_orders_never_beat_it() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        auction = draw_auction(rng)
        user = ParametricUser(auction.candidates)
        best = clairvoyant_reward(auction, user, Penalty()).reward
        for _ in range(25):
            order = [auction.candidates[index] for index in rng.permutation(len(CATEGORIES))[: rng.integers(1, 6)]]
            glue = (" ", " and ", ". ", "\n", " for muddy trails and more. ")
            text = "".join(render_insertion(ad) + str(rng.choice(glue)) for ad in order)
            answer = ("Think of the mud first. " if rng.random() < 0.5 else "") + text
            parsed = parse_answer(answer, auction.candidates)
            clicks = user.click_probabilities(auction, answer)
            assert reward(auction, parsed, clicks, Penalty()) <= best + 1e-9


def test_no_ad_is_best_when_none_pays_for_its_place() -> None:
    auction = draw_auction(np.random.default_rng(0))
    silent = Auction(auction.query, auction.profile, auction.candidates, (0,) * len(auction.candidates))
    outcome = clairvoyant_reward(silent, ParametricUser(silent.candidates), Penalty())
    assert (outcome.reward, outcome.revenue, outcome.ad_ids) == (0.0, 0.0, ())
    assert clairvoyant_reward(auction, ParametricUser(auction.candidates), Penalty(ad_weight=1000.0)).ad_ids == ()
