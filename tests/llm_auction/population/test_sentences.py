"""Synthetic questions and profiles: short, varied, about their topic."""

from __future__ import annotations

import re

import pytest

from llm_auction.population.profiles import HOUSEHOLDS_BY_AGE, OLDEST, YOUNGEST, write_profile
from llm_auction.population.queries import LONGEST, PRODUCT_FORMS, QUERY_FORMS, with_article, write_query
from llm_auction.seeds import generator
from llm_auction.world.topics import Topic, topics


def test_questions_are_short_and_speak_of_their_topic() -> None:
    rng = generator(0, "questions")
    for topic in topics().values():
        words = {topic.name, *topic.products, *topic.needs}
        texts = [write_query(topic, rng) for _ in range(200)]
        assert all(len(text.split()) <= LONGEST for text in texts)
        assert all(any(word in text for word in words) for text in texts)
        assert not any("{" in text or "  " in text for text in texts)
        assert len(set(texts)) > 120


def test_a_topic_without_needs_gets_the_forms_about_products() -> None:
    topic = Topic("5.0", "", ("Oak Table",), (), (), frozenset())
    texts = {write_query(topic, generator(0, number)) for number in range(200)}
    assert len(texts) > len(PRODUCT_FORMS)
    assert all("Oak Table" in text for text in texts)
    assert not any("5.0" in text for text in texts)
    assert 0 < len(PRODUCT_FORMS) < len(QUERY_FORMS)


@pytest.mark.parametrize(
    ("product", "written"),
    [
        ("espresso machine", "an espresso machine"),
        ("chef knife", "a chef knife"),
        ("led floor lamp", "an led floor lamp"),
        ("french press", "a french press"),
        ("running shoes", "running shoes"),
        ("green tea", "green tea"),
    ],
)
def test_articles(product: str, written: str) -> None:
    assert with_article(product) == written


def test_profiles_are_one_short_sentence_and_vary() -> None:
    rng = generator(0, "profiles")
    texts = [write_profile(["hiking boots", "tea blends", "plant seeds", "pet food"], rng) for _ in range(2000)]
    assert all(len(text.split()) <= 25 for text in texts)
    assert all(text.endswith("hiking boots, tea blends, plant seeds and pet food.") for text in texts)
    assert all(text[0].isupper() or text[0].isdigit() for text in texts)
    assert len(set(texts)) > 1900


@pytest.mark.parametrize(("low", "high", "household"), HOUSEHOLDS_BY_AGE)
def test_households_fit_the_age(low: int, high: int, household: str) -> None:
    rng = generator(1, "profiles")
    texts = [text for text in (write_profile(["cameras"], rng) for _ in range(3000)) if household in text.lower()]
    ages = [int(re.findall(r"\d+", text)[0]) for text in texts]
    assert ages
    assert min(ages) >= max(low, YOUNGEST)
    assert max(ages) <= min(high, OLDEST)
