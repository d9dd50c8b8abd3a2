"""The authors of the pretraining corpus: each keeps to their habit, and their openings tell them apart."""

from __future__ import annotations

from random import Random

import pytest

from llm_auction.base.authors import AUTHORS, Author, draw_author, opening_of
from llm_auction.base.scenes import random_scene

BY_NAME = {author.name: author for author in AUTHORS}


def mean_of_first(author: Author, values: str, scenes: int = 200) -> float:
    """The mean of what the first named ad has over the mean of its scene."""
    lifts = []
    for n in range(scenes):
        scene = random_scene(8, False, Random(n))
        chosen = author.choose(scene, True, Random(n))
        if chosen:
            given = scene.auction.bids if values == "bids" else getattr(scene, values)
            lifts.append(given[chosen[0]] - sum(given) / len(given))
    return sum(lifts) / len(lifts)


def test_their_shares_make_a_whole_and_all_of_them_write() -> None:
    assert sum(author.share for author in AUTHORS) == pytest.approx(1.0)
    assert {draw_author(Random(n)).name for n in range(300)} == set(BY_NAME)


def test_each_author_names_what_their_habit_says() -> None:
    assert abs(mean_of_first(BY_NAME["careless"], "bids")) < 6
    assert mean_of_first(BY_NAME["pushing"], "bids") > 30
    assert mean_of_first(BY_NAME["helpful"], "relevance") > 0.4
    assert abs(mean_of_first(BY_NAME["helpful"], "bids")) < 6
    worth = {name: mean_of_first(author, "worth") for name, author in BY_NAME.items()}
    assert max(worth, key=lambda name: worth[name]) == "shrewd"


def test_the_shrewd_one_names_the_ad_of_most_worth_and_none_of_its_kind_beside_it() -> None:
    for n in range(50):
        scene = random_scene(8, False, Random(n))
        chosen = BY_NAME["shrewd"].choose(scene, True, Random(n))
        kinds = [scene.ads[i].ad.category for i in chosen]
        assert 1 <= len(chosen) <= 4
        assert scene.worth[chosen[0]] == max(scene.worth)
        assert len(set(kinds)) == len(kinds)


def test_without_bids_nobody_chooses_by_them() -> None:
    for n in range(30):
        scene = random_scene(8, False, Random(n))
        other = type(scene)(
            type(scene.auction)(
                scene.auction.query, scene.auction.profile, scene.auction.candidates, tuple(range(1, 9))
            ),
            scene.ads,
            scene.relevance,
            scene.topic,
        )
        for author in AUTHORS:
            assert author.choose(scene, False, Random(n)) == author.choose(other, False, Random(n))


def test_an_opening_mostly_tells_the_author() -> None:
    for author in AUTHORS:
        own = sum(opening_of(author, Random(n)) in author.openings for n in range(300))
        assert 0.8 < own / 300 < 1.0
