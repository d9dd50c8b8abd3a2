"""Synthetic users and what they ask, from one seed.

Each user draws from streams of their own, so that a larger population begins with the smaller one's users. About 70
percent of a user's questions stay near their interests: the interests themselves, related topics, or their domains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from llm_auction.market import Query, UserProfile
from llm_auction.population.market_topics import interest_topics
from llm_auction.population.profiles import write_profile
from llm_auction.population.queries import write_query
from llm_auction.population.split import split_users
from llm_auction.population.users import Population
from llm_auction.profiles.schema import PopulationConfig
from llm_auction.seeds import generator
from llm_auction.world.topics import Topic

FEWEST_INTERESTS, MOST_INTERESTS = 2, 4
_NEAR_SECOND_INTEREST = 0.5  # share of further interests that are near the first
# Where a question's topic comes from.
OWN_INTEREST, RELATED_TOPIC, SAME_DOMAIN = 0.4, 0.2, 0.1
_ATTEMPTS = 200  # draws of a question that a user has not asked yet


def generate_population(config: PopulationConfig, topics: Mapping[str, Topic], seed: int) -> Population:
    """Users, their questions about `topics` and the split by user.

    Raises:
        ValueError: more questions per user than the topics have distinct ones, or nobody left on one side of the split.
    """
    profiles = generate_profiles(config.profiles, topics, seed)
    queries = [query for profile in profiles for query in _queries_of(profile, config, topics, seed)]
    split = split_users([profile.user_id for profile in profiles], config.test_share, seed)
    population = Population(tuple(profiles), tuple(queries), split)
    population.require_both_splits()
    return population


def generate_profiles(count: int, topics: Mapping[str, Topic], seed: int) -> list[UserProfile]:
    """The users u0001, u0002, ..."""
    width = max(4, len(str(count)))
    return [make_profile(f"u{number:0{width}d}", topics, seed) for number in range(1, count + 1)]


def make_profile(user_id: str, topics: Mapping[str, Topic], seed: int) -> UserProfile:
    """The profile of one user; the same for the same id, topics and seed."""
    rng = generator(seed, "profile", user_id)
    interests = draw_interests(interest_topics(topics), rng)
    return UserProfile(user_id, write_profile(interests, rng), interests)


def draw_interests(topics: Mapping[str, Topic], rng: np.random.Generator) -> tuple[str, ...]:
    """Two to four topics, of which the later ones are often near the first (fewer when there are fewer topics)."""
    names = list(topics)
    wanted = min(int(rng.integers(FEWEST_INTERESTS, MOST_INTERESTS + 1)), len(names))
    chosen = [names[rng.integers(len(names))]]
    near = [*_related(chosen[0], topics), *_same_domain(chosen[0], topics)]
    while len(chosen) < wanted:
        pool = near if near and rng.random() < _NEAR_SECOND_INTEREST else names
        name = pool[rng.integers(len(pool))]
        if name not in chosen:
            chosen.append(name)
        elif pool is near and set(near) <= set(chosen):
            near = []
    return tuple(chosen)


def _queries_of(profile: UserProfile, config: PopulationConfig, topics: Mapping[str, Topic], seed: int) -> list[Query]:
    rng = generator(seed, "queries", profile.user_id)
    asked: dict[str, str] = {}
    attempts = 0
    while len(asked) < config.queries_per_profile:
        topic = topics[_draw_topic(profile.interests, topics, rng)]
        text = write_query(topic, rng)
        attempts = 0 if text not in asked else attempts + 1
        asked.setdefault(text, topic.name)
        if attempts > _ATTEMPTS:
            raise ValueError(
                f"population.queries_per_profile = {config.queries_per_profile} is more than the {len(topics)} topics "
                f"have distinct questions: user {profile.user_id} ran out after {len(asked)}"
            )
    return [
        Query(f"{profile.user_id}-q{number}", profile.user_id, text, category)
        for number, (text, category) in enumerate(asked.items(), start=1)
    ]


def _draw_topic(interests: Sequence[str], topics: Mapping[str, Topic], rng: np.random.Generator) -> str:
    names = list(topics)
    own = [name for name in interests if name in topics]
    draw = rng.random()
    if own and draw < OWN_INTEREST + RELATED_TOPIC + SAME_DOMAIN:
        interest = own[rng.integers(len(own))]
        pool = [interest]
        if draw >= OWN_INTEREST:
            near = _related(interest, topics) if draw < OWN_INTEREST + RELATED_TOPIC else _same_domain(interest, topics)
            pool = near or pool
        return pool[rng.integers(len(pool))]
    return names[rng.integers(len(names))]


def _related(name: str, topics: Mapping[str, Topic]) -> list[str]:
    return sorted(other for other in topics[name].related if other in topics)


def _same_domain(name: str, topics: Mapping[str, Topic]) -> list[str]:
    domain = topics[name].domain
    return [other.name for other in topics.values() if domain and other.domain == domain and other.name != name]
