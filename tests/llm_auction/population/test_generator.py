"""The generated population: reproducible, varied, near its interests, split by user."""

from __future__ import annotations

from collections import Counter

import pytest

from llm_auction.market import Ad
from llm_auction.population import generate_population, market_topics
from llm_auction.population.split import split_users
from llm_auction.profiles.builtin import paper
from llm_auction.profiles.schema import PopulationConfig
from llm_auction.world.topics import affinity, topics

SMALL = PopulationConfig(profiles=60, queries_per_profile=4, test_share=0.25)


def test_the_same_seed_gives_the_same_population_and_another_seed_another() -> None:
    assert generate_population(SMALL, topics(), 0) == generate_population(SMALL, topics(), 0)
    assert generate_population(SMALL, topics(), 0).queries != generate_population(SMALL, topics(), 1).queries


def test_a_larger_population_begins_with_the_smaller_one() -> None:
    small = generate_population(SMALL, topics(), 0)
    large = generate_population(SMALL.model_copy(update={"profiles": 90}), topics(), 0)
    assert large.profiles[:60] == small.profiles
    assert large.queries[:240] == small.queries


def test_the_paper_scale() -> None:
    population = generate_population(paper().population, topics(), 0)
    assert len(population.profiles) == 3000
    assert len({query.query_id for query in population.queries}) == 15_000
    assert Counter(map(population.split_of, population.queries)) == {"train": 12_000, "test": 3000}
    assert len({profile.text for profile in population.profiles}) > 2900
    assert len({query.text for query in population.queries}) > 9000
    assert {query.category for query in population.queries} == set(topics())
    assert all(2 <= len(set(profile.interests)) <= 4 for profile in population.profiles)
    asked = Counter((query.user_id, query.text) for query in population.queries)
    assert max(asked.values()) == 1


def test_most_questions_are_near_the_users_interests() -> None:
    population = generate_population(PopulationConfig(profiles=800), topics(), 0)
    interests = {profile.user_id: profile.interests for profile in population.profiles}
    nearness = [
        max(affinity(query.category or "", interest) or 0.0 for interest in interests[query.user_id])
        for query in population.queries
    ]
    assert 0.7 < sum(value > 0.0 for value in nearness) / len(nearness) < 0.85
    assert 0.38 < sum(value == 1.0 for value in nearness) / len(nearness) < 0.52


def test_users_are_held_out_as_a_whole() -> None:
    population = generate_population(SMALL, topics(), 0)
    assert Counter(population.split_of_user.values()) == {"train": 45, "test": 15}
    users = {
        split: {q.user_id for q in population.queries if population.split_of(q) == split} for split in ("train", "test")
    }
    assert not users["train"] & users["test"]


@pytest.mark.parametrize(
    ("users", "share", "test"), [(10, 0.2, 2), (3, 0.01, 1), (3, 0.99, 2), (1, 0.2, 0), (4, 1.0, 4)]
)
def test_how_many_users_are_held_out(users: int, share: float, test: int) -> None:
    split = split_users([str(number) for number in range(users)], share, 0)
    assert sum(value == "test" for value in split.values()) == test


@pytest.mark.parametrize(
    ("change", "empty"), [({"test_share": 0.0}, "test"), ({"test_share": 1.0}, "train"), ({"profiles": 1}, "test")]
)
def test_a_split_with_an_empty_side_is_refused(change: dict[str, float], empty: str) -> None:
    with pytest.raises(ValueError, match=f"no {empty} queries"):
        generate_population(SMALL.model_copy(update=change), topics(), 0)


def test_more_questions_than_there_are_is_one_clear_error() -> None:
    one = {"Tables": market_topics([Ad("1", "Oak Table", "Tables")])["Tables"]}
    with pytest.raises(ValueError, match=r"population\.queries_per_profile = 5000 is more than the 1 topics"):
        generate_population(PopulationConfig(profiles=2, queries_per_profile=5000), one, 0)


def test_a_catalog_of_ones_own_is_asked_about() -> None:
    ads = [
        Ad("1", "Oak Table, Round and Very Heavy", "Tables"),
        Ad("2", "Steel Pan", "cookware"),
        Ad("3", "Lift Kit", "5.0"),
    ]
    market = market_topics(ads)
    assert list(market) == ["Tables", "cookware", "5.0"]
    assert market["Tables"].products == ("Oak Table, Round and",)
    assert market["cookware"] is topics()["cookware"]
    population = generate_population(PopulationConfig(profiles=40), market, 0)
    assert {query.category for query in population.queries} == set(market)
    assert {name for profile in population.profiles for name in profile.interests} == {"Tables", "cookware"}


def test_where_categories_are_numbers_interests_come_from_the_bundled_world() -> None:
    population = generate_population(PopulationConfig(profiles=5), market_topics([Ad("1", "Lift Kit", "5.0")]), 0)
    assert all(set(profile.interests) <= set(topics()) for profile in population.profiles)
    assert all("Lift Kit" in query.text for query in population.queries)
