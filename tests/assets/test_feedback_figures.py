"""Figures of a partition: each counts exactly what it says, and rates carry an interval."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from scipy.stats import binomtest

from assets.feedback_figures import (
    click_figures,
    impression_figures,
    modelled_response_figures,
    response_figures,
)
from resources.lake import Lake
from tests.feedback_lake import Change, Row, small_lake, write_feedback

PARTITION = {"arm": "llm_auction", "iteration": "01"}


def landed(folder: Path, change: Change | None = None) -> tuple[Lake, pl.DataFrame, pl.DataFrame]:
    lake = small_lake(folder)
    write_feedback(lake, change=change)
    return lake, lake.read("ad_responses", PARTITION), lake.read("click_feedback", PARTITION)


def of_responses(folder: Path, change: Change | None = None) -> dict[str, float]:
    lake, responses, _ = landed(folder, change)
    queries = lake.read("user_queries")
    return response_figures(responses, queries, 3 * queries.height, lake.read("ad_catalog"))


def of_clicks(folder: Path, change: Change | None = None) -> dict[str, float]:
    lake, responses, clicks = landed(folder, change)
    return click_figures(clicks, responses, lake.read("ad_catalog"))


def test_good_answers(tmp_path: Path) -> None:
    figures = of_responses(tmp_path)
    assert figures["volume_share"] == 1
    assert figures["format_error_rate"] == 0
    assert figures["policy_versions"] == 1
    faults = ("unknown_queries", "unknown_candidates", "auctions_without_a_bid_each", "insertions_outside_the_auction")
    assert [figures[name] for name in faults] == [0, 0, 0, 0]


def test_bad_answers_are_counted_where_they_are_bad(tmp_path: Path) -> None:
    def change(answers: list[Row], clicks: list[Row]) -> None:
        answers[0]["query_id"] = "q9"
        answers[1]["candidate_ad_ids"] = ["a0", "a9", "a2"]
        answers[2]["bids"] = [10, 20]
        answers[3]["bids"] = [10, -1, 30]
        answers[4]["inserted_ad_ids"] = ["a2", "a2"]
        answers[5]["inserted_ad_ids"] = ["a9"]
        answers[5]["format_errors"] = 3

    figures = of_responses(tmp_path, change)
    assert figures["unknown_queries"] == 1
    assert figures["unknown_candidates"] == 1
    assert figures["auctions_without_a_bid_each"] == 2
    assert figures["insertions_outside_the_auction"] == 2
    assert figures["format_error_rate"] == pytest.approx(1 / 6)


def test_good_clicks_have_a_rate_with_its_interval(tmp_path: Path) -> None:
    figures = of_clicks(tmp_path)
    assert figures["ctr"] == pytest.approx(2 / 3)
    expected = binomtest(4, 6).proportion_ci(0.99, method="wilson")
    assert (figures["ctr_low"], figures["ctr_high"]) == pytest.approx((expected.low, expected.high), abs=1e-4)
    assert not any(value for name, value in figures.items() if not name.startswith(("ctr", "judged_ads")))


def test_bad_clicks_are_counted_where_they_are_bad(tmp_path: Path) -> None:
    def change(answers: list[Row], clicks: list[Row]) -> None:
        clicks[0]["response_id"] = "nobody"
        clicks[1]["ad_id"] = "a9"
        clicks[3]["ts"] = clicks[3]["ts"].replace(year=2025)

    figures = of_clicks(tmp_path, change)
    assert figures["unknown_responses"] == 1
    assert figures["unknown_ads"] == 1
    assert figures["judged_but_not_inserted"] == 2
    assert figures["inserted_but_not_judged"] == 2
    assert figures["judged_before_the_answer"] == 1


def test_no_ad_at_all_is_no_rate_but_a_count_of_zero(tmp_path: Path) -> None:
    def change(answers: list[Row], clicks: list[Row]) -> None:
        clicks.clear()
        for answer in answers:
            answer["inserted_ad_ids"] = []

    figures = of_clicks(tmp_path, change)
    assert figures["judged_ads"] == 0
    assert (figures["ctr"], figures["ctr_low"], figures["ctr_high"]) == (0, 0, 1)


def test_what_is_lost_or_invented_between_lake_and_warehouse_is_counted(tmp_path: Path) -> None:
    _, responses, clicks = landed(tmp_path)
    pairs = clicks.select("response_id", "ad_id", "clicked").with_columns(revenue=pl.lit(30, dtype=pl.Int64))
    impressions = pl.concat(
        [pairs.slice(1), pl.DataFrame({**pairs.row(1, named=True), "ad_id": "a1", "clicked": True})]
    )
    modelled = responses.select("response_id", has_format_error=pl.lit(False), revenue=pl.lit(0)).slice(2)
    rejected = pl.DataFrame(
        {
            "event_type": ["answer"],
            "response_id": [responses["response_id"][0]],
            "ad_id": [None],
            "rejection_reason": ["missing_ts"],
        },
        schema_overrides={"ad_id": pl.String},
    )
    figures = impression_figures(impressions, modelled, rejected, responses, clicks)
    assert figures["lost_insertions"] == 1
    assert figures["lost_clicks"] == 1
    assert figures["invented_clicks"] == 1
    figures = modelled_response_figures(modelled, impressions, rejected, responses, expected_responses=8)
    assert figures["volume_share"] == 0.5
    assert figures["lost_responses"] == 1
    assert figures["unequal_revenue"] == 3
