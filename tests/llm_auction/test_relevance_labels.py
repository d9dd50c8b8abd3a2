"""Recall and NDCG of the retrieval on labelled pairs, by hand and on real ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from llm_auction.catalog import load_catalog
from llm_auction.market import Ad, Query
from llm_auction.population import read_queries
from llm_auction.profiles.schema import CatalogConfig, PopulationConfig
from llm_auction.relevance_labels import RelevanceLabelsError, read_relevance_labels, retrieval_quality
from llm_auction.world.topics import topics

REAL = Path(__file__).resolve().parents[2] / "../shared/data/search_ads"
ADS = (Ad("1", "Red Boots", "boots"), Ad("2", "Boots", "boots"), Ad("3", "Oak Table", "tables"))
QUERIES = (Query("q1", "u", "red boots"), Query("q2", "u", "tables"), Query("q3", "u", "unlabelled"))


def test_quality_by_hand() -> None:
    labels = {"q1": {"2": 1.0, "3": 0.0, "gone": 1.0}, "q2": {"3": 1.0}, "other": {"1": 1.0}}
    at_1, at_2 = retrieval_quality(QUERIES, ADS, labels, (1, 2))
    assert (at_1.queries, at_1.recall, at_1.ndcg, at_1.outside_catalog) == (2, 0.5, 0.5, 1)
    assert at_2.recall == 1.0
    assert at_2.ndcg == pytest.approx((1 / math.log2(3) + 1.0) / 2)


def test_grades_count() -> None:
    labels = {"q1": {"1": 1.0, "2": 3.0}}
    (quality,) = retrieval_quality(QUERIES, ADS, labels, (5,))
    assert quality.ndcg == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))


def test_labels_of_other_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="no query has a labelled relevant ad"):
        retrieval_quality(QUERIES, ADS, {"x": {"1": 1.0}}, (5,))


def test_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("query_id,ad_id,label\nq1,Ad-1,1\nq1,2,0\nq2,3,0.5\n")
    assert read_relevance_labels(str(path)) == {"q1": {"1": 1.0, "2": 0.0}, "q2": {"3": 0.5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query_id,ad_id,label\nq1,1,yes\n", r"labels\.csv:2 label must be a number >= 0, got 'yes'"),
        ("query_id,ad_id,label\nq1,1,-1\n", "label must be a number"),
        ("query_id,ad_id,label\nq1,1,nan\n", "label must be a number"),
        ("query_id,ad_id,label\nq1,,1\n", "ad_id is missing"),
        ("query_id,ad_id,label\nq1,1\n", "has 2 fields"),
        ("query_id,ad,label\nq1,1,1\n", "its columns are 'query_id', 'ad', 'label'"),
        ("", "is empty"),
    ],
)
def test_bad_labels_are_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(RelevanceLabelsError, match=message) as caught:
        read_relevance_labels(str(path))
    assert str(caught.value).startswith("candidates.relevance_labels: ")


@pytest.mark.skipif(not REAL.exists(), reason="the real labels do not lie beside the project")
def test_retrieval_on_real_pairs() -> None:
    columns = {"ad_id": "product_id", "title": "ad_title", "description": "ad_description", "advertiser": "brand"}
    ads = load_catalog(CatalogConfig(source=str(REAL / "products.tsv"), columns=columns, long_titles="shorten")).ads
    queries = read_queries(PopulationConfig(queries_source=str(REAL / "queries.tsv")), topics(), 0).queries
    labels = read_relevance_labels(str(REAL / "relevance.tsv"))
    at_10, at_50 = retrieval_quality(queries, ads, labels, (10, 50))
    assert at_10.queries == 80
    assert at_10.recall > 0.5
    assert at_10.ndcg > 0.4
    assert at_50.recall > 0.8
