"""Relevance from the category graph where it knows both sides, from text anywhere else."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import unquote_plus

import numpy as np
import pytest

from llm_auction.market import Ad, Query, UserProfile
from llm_auction.users.relevance import Relevance, TextSimilarity

KNOWN = (Ad("1", "Ridgeway Boots", "hiking boots"), Ad("2", "Silk Shampoo", "hair care"))
FOREIGN = (
    Ad("a", "COMFAST USB WiFi Adapter for PC", "", "Wireless network adapter with antenna", "Comfast"),
    Ad("b", "Everyday Bow Flat Shoes in Denim", "", "Comfortable flats with a cushioned insole", "Serengeti"),
    Ad("c", "Riding Mower Blade Set", "", "Replacement blades for a lawn mower deck", "MTD"),
)


def test_known_topics_use_the_category_graph() -> None:
    relevance = Relevance(KNOWN)
    query = Query("q", "u", "no word in common", "hiking boots")
    assert relevance.to_query(query, KNOWN[0]) == 1.0
    assert relevance.to_query(query, KNOWN[1]) == 0.0
    assert relevance.to_profile(UserProfile("u", "", ("tea", "camping gear")), KNOWN[0]) == 0.5


def test_an_interest_that_is_no_known_topic_is_compared_by_text() -> None:
    relevance = Relevance(KNOWN)
    assert relevance.to_profile(UserProfile("u", "", ("camping gear", "stamps of Peru")), KNOWN[0]) == 0.5
    assert relevance.to_profile(UserProfile("u", "", ("stamps", "shampoo")), KNOWN[1]) > 0.5
    assert relevance.to_profile(UserProfile("u", "I collect silk shampoo."), KNOWN[1]) > 0.5


def test_known_topics_need_no_catalog() -> None:
    assert Relevance(()).to_query(Query("q", "u", "", "hiking boots"), KNOWN[0]) == 1.0


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("wireless adaptor for my tv", "a"), ("denim shoe size 10", "b"), ("lawn tractor blades", "c")],
)
def test_a_foreign_catalog_uses_text(text: str, nearest: str) -> None:
    relevance = Relevance(FOREIGN)
    scores = {ad.ad_id: relevance.to_query(Query("q", "u", text), ad) for ad in FOREIGN}
    assert max(scores, key=scores.__getitem__) == nearest
    assert all(0.0 <= score <= 1.0 for score in scores.values())
    assert scores[nearest] > 0.5
    profile = UserProfile("u", "someone", (text,))
    assert relevance.to_profile(profile, next(ad for ad in FOREIGN if ad.ad_id == nearest)) > 0.0


SEARCH_ADS = Path(__file__).resolve().parents[3] / "../shared/data/search_ads"


@pytest.mark.skipif(not SEARCH_ADS.is_dir(), reason="the real search ads are not on this machine")
def test_the_scale_fits_real_queries_and_ads() -> None:
    def rows(name: str) -> list[dict[str, str]]:
        with (SEARCH_ADS / name).open(encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    titles = {row["product_id"]: row["ad_title"] or "untitled" for row in rows("products.tsv")}
    queries = {row["query_id"]: unquote_plus(row["query_text"]) for row in rows("queries.tsv")}
    labelled = [row for row in rows("relevance.tsv") if row["label"] == "1"][:200]
    ads = {row["product_id"]: Ad(row["product_id"], titles[row["product_id"]], "") for row in labelled}
    similarity = TextSimilarity(ads.values())
    relevant = [similarity.of(queries[row["query_id"]], row["product_id"]) for row in labelled]
    others = [similarity.of(queries[row["query_id"]], ad_id) for row in labelled for ad_id in list(ads)[::20]]
    assert 0.3 < float(np.median(relevant)) < 0.9
    assert float(np.median(others)) == 0.0


def test_a_text_without_a_word_of_the_catalog_is_unrelated() -> None:
    similarity = TextSimilarity(FOREIGN)
    assert similarity.of("", "a") == 0.0
    assert similarity.of("日本語", "a") == 0.0


def test_an_ad_outside_the_catalog_is_an_error() -> None:
    with pytest.raises(ValueError, match="ad zz is not in the catalog"):
        Relevance(FOREIGN).to_query(Query("q", "u", "shoes"), Ad("zz", "Shoes", ""))


def test_an_empty_catalog_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one ad"):
        TextSimilarity(())
