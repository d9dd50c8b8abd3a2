"""Candidates: relevant ones and random ones, in an order that says nothing, the same under the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.candidates import AdRetriever, find_candidates
from llm_auction.catalog import load_catalog
from llm_auction.market import Ad, Query
from llm_auction.population import generate_population, market_topics
from llm_auction.profiles.schema import CandidatesConfig, CatalogConfig, PopulationConfig

ADS = (
    Ad("1", "Ridgeway Hiking Boots", "hiking boots", "Grip for muddy trails."),
    Ad("2", "Oak Table", "tables", "Solid wood."),
    Ad("3", "Steel Pan", "cookware", "For frying eggs."),
    Ad("4", "Trail Boots", "hiking boots", "Light."),
    Ad("5", "Down Pillow", "pillows", "Soft."),
)
QUERY = Query("q1", "u1", "Which hiking boot suits muddy trails?")


def test_all_ads_compete_when_they_fit() -> None:
    (found,) = find_candidates([QUERY], ADS, CandidatesConfig(per_query=5), 0)
    assert sorted(found.ad_ids) == ["1", "2", "3", "4", "5"]
    relevance = dict(zip(found.ad_ids, found.relevance, strict=True))
    assert relevance["1"] > relevance["4"] > 0.0 == relevance["2"]


def test_the_most_relevant_compete_and_random_ones_join_them() -> None:
    queries = [Query(f"q{number}", "u", QUERY.text) for number in range(200)]
    found = find_candidates(queries, ADS, CandidatesConfig(per_query=3, random_share=0.3), 0)
    assert all(len(set(row.ad_ids)) == 3 and {"1", "4"} <= set(row.ad_ids) for row in found)
    assert {ad_id for row in found for ad_id in row.ad_ids} == {"1", "2", "3", "4", "5"}


def test_position_says_nothing_about_relevance() -> None:
    queries = [Query(f"q{number}", "u", QUERY.text) for number in range(600)]
    found = find_candidates(queries, ADS, CandidatesConfig(per_query=3), 0)
    positions = np.array([row.ad_ids.index("1") for row in found])
    assert np.bincount(positions, minlength=3).min() > 160


@pytest.mark.parametrize(("share", "certain"), [(0.0, {"1", "4"}), (1.0, set())])
def test_extreme_shares(share: float, certain: set[str]) -> None:
    queries = [Query(f"q{number}", "u", QUERY.text) for number in range(100)]
    found = find_candidates(queries, ADS, CandidatesConfig(per_query=2, random_share=share), 0)
    assert set.intersection(*(set(row.ad_ids) for row in found)) == certain


def test_candidates_depend_on_the_seed_and_not_on_other_queries() -> None:
    config = CandidatesConfig(per_query=3)
    others = [Query(f"q{number}", "u", "anything") for number in range(9)]
    alone = find_candidates([QUERY], ADS, config, 0)[0]
    assert find_candidates([*others, QUERY], ADS, config, 0)[-1] == alone
    assert len({find_candidates([QUERY], ADS, config, seed)[0] for seed in range(20)}) > 5


def test_relevance_is_a_share_of_the_best() -> None:
    retriever = AdRetriever(ADS)
    assert retriever.relevance("pillows").tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    mixed = retriever.relevance("a pillow and a pan")
    assert mixed[4] == pytest.approx(0.5, abs=0.1)
    assert mixed[2] == pytest.approx(0.5, abs=0.1)
    for text in ("", "the and of", "xyzzy", "!?", "枕"):
        assert retriever.relevance(text).tolist() == [0.0] * 5
    values = [retriever.relevance(text) for text in ("hiking hiking boots", "eggs on wood tables", "light soft grip")]
    assert 0.0 <= np.min(values) <= np.max(values) <= 1.0


def test_scores_are_those_of_the_formula_over_every_ad() -> None:
    """BM25 as Lucene has it (k1 = 1.5, b = 0.75), computed for each ad: the index leaves none out."""
    rng = np.random.default_rng(0)
    words = [f"w{letter}x" for letter in "abcdefghijklmnopqrstuvwyz"]
    ads = [
        Ad(str(n), " ".join(rng.choice(words, 2)), "", " ".join(rng.choice(words, rng.integers(9)))) for n in range(60)
    ]
    texts = [f"{ad.title} {ad.title} {ad.description}".split() for ad in ads]
    mean = np.mean([len(text) for text in texts])

    def score(asked: list[str], text: list[str]) -> float:
        total = 0.0
        for word in asked:
            holding, count = sum(word in other for other in texts), text.count(word)
            idf = np.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            total += idf * count / (count + 1.5 * (0.25 + 0.75 * len(text) / mean))
        return total

    retriever = AdRetriever(ads)
    for _ in range(5):
        asked = list(rng.choice(words, 3))
        best = sum(max(score([word], text) for text in texts) for word in asked)
        expected = [score(asked, text) / best for text in texts]
        np.testing.assert_allclose(retriever.relevance(" ".join(asked)), expected, rtol=1e-5)


def test_plurals_find_singulars() -> None:
    ads = [Ad("1", "Dresses and Boxes", "x"), Ad("2", "Berry Glass", "y"), Ad("3", "Bus", "z")]
    retriever = AdRetriever(ads)
    for text, best in (("dress", 0), ("box", 0), ("berries", 1), ("glasses", 1), ("bus", 2)):
        assert retriever.relevance(text).argmax() == best, text
        assert retriever.relevance(text).max() > 0.0, text


def test_catalogs_without_a_word_and_without_an_ad() -> None:
    assert AdRetriever([Ad("1", "The And", "of")]).relevance("boots").tolist() == [0.0]
    with pytest.raises(ValueError, match="at least one ad"):
        find_candidates([QUERY], [], CandidatesConfig(), 0)


def test_generated_questions_find_ads_of_their_topic() -> None:
    ads = load_catalog(CatalogConfig()).ads
    population = generate_population(PopulationConfig(profiles=60), market_topics(ads), 0)
    category = {ad.ad_id: ad.category for ad in ads}
    found = find_candidates(population.queries, ads, CandidatesConfig(per_query=10), 0)
    hits = [
        any(category[ad_id] == query.category for ad_id in row.ad_ids)
        for query, row in zip(population.queries, found, strict=True)
    ]
    assert np.mean(hits) > 0.85
