"""Figures that describe the feedback of one partition as a whole; the suites in `assets/suites` bound them.

Counts are numbers of offending rows (0 is good), shares and rates lie in [0, 1]. A rate comes with its 99 % confidence
interval (Wilson), `<rate>_low` and `<rate>_high`: the suites bound those, so that a small partition fails only when its
rate is surely out of bounds, and not by chance.
"""

from __future__ import annotations

from math import sqrt

import polars as pl

PAIR = ["response_id", "ad_id"]
# Normal quantile of a two-sided 99 % interval.
Z = 2.576


def response_figures(
    responses: pl.DataFrame, queries: pl.DataFrame, expected_responses: int, ads: pl.DataFrame
) -> dict[str, float]:
    """Of `ad_responses`, against the queries that it may answer (query_id), their number of answers and the catalog."""
    candidates, inserted, bids = pl.col("candidate_ad_ids"), pl.col("inserted_ad_ids"), pl.col("bids")
    counts = responses.select(
        unknown_candidates=candidates.explode().is_in(ads["ad_id"].to_list()).not_().sum(),
        auctions_without_a_bid_each=(
            (candidates.list.len() != bids.list.len()) | (bids.list.min() < 0) | candidates.is_null() | bids.is_null()
        ).sum(),
        insertions_outside_the_auction=(
            inserted.list.set_difference(candidates).list.len() + inserted.list.len() - inserted.list.n_unique()
        ).sum(),
    ).row(0, named=True)
    return {
        "volume_share": _ratio(responses.height, expected_responses),
        **_rate("format_error_rate", responses["format_errors"] > 0),
        "policy_versions": responses["policy_version"].n_unique(),
        "unknown_queries": responses.join(queries, on="query_id", how="anti").height,
        **{name: float(value or 0) for name, value in counts.items()},
    }


def click_figures(clicks: pl.DataFrame, responses: pl.DataFrame, ads: pl.DataFrame) -> dict[str, float]:
    """Of `click_feedback`, against the answers and the catalog."""
    inserted = inserted_pairs(responses)
    answered = responses.select("response_id", answered_at="ts")
    return {
        "judged_ads": clicks["clicked"].count(),
        **_rate("ctr", clicks["clicked"].drop_nulls()),
        "unknown_responses": clicks.join(responses, on="response_id", how="anti").height,
        "unknown_ads": clicks.join(ads, on="ad_id", how="anti").height,
        "judged_but_not_inserted": clicks.join(inserted, on=PAIR, how="anti").height,
        "inserted_but_not_judged": inserted.join(clicks, on=PAIR, how="anti").height,
        "judged_before_the_answer": clicks.join(answered, on="response_id")
        .filter(pl.col("ts") < pl.col("answered_at"))
        .height,
    }


def impression_figures(
    impressions: pl.DataFrame,
    modelled_responses: pl.DataFrame,
    rejected: pl.DataFrame,
    responses: pl.DataFrame,
    clicks: pl.DataFrame,
) -> dict[str, float]:
    """Of `fct_ad_impressions`, against the modelled answers, the rejected events and what landed in the lake."""
    modelled_clicks = impressions.filter("clicked").select(PAIR)
    landed_clicks = clicks.filter("clicked").select(PAIR)
    rejected_answers = rejected.filter(pl.col("event_type") == "answer")
    rejected_clicks = rejected.filter(pl.col("event_type") == "click")
    return {
        "impressions": impressions.height,
        **_rate("ctr", impressions["clicked"]),
        "impressions_without_response": impressions.join(modelled_responses, on="response_id", how="anti").height,
        "lost_insertions": inserted_pairs(responses)
        .join(impressions, on=PAIR, how="anti")
        .join(rejected_answers, on="response_id", how="anti")
        .join(rejected_clicks.filter(pl.col("rejection_reason") == "missing_judgement"), on=PAIR, how="anti")
        .height,
        "lost_clicks": landed_clicks.join(modelled_clicks, on=PAIR, how="anti")
        .join(rejected_clicks, on=PAIR, how="anti", nulls_equal=True)
        .height,
        "invented_clicks": modelled_clicks.join(landed_clicks, on=PAIR, how="anti").height,
    }


def modelled_response_figures(
    modelled_responses: pl.DataFrame,
    impressions: pl.DataFrame,
    rejected: pl.DataFrame,
    responses: pl.DataFrame,
    expected_responses: int,
) -> dict[str, float]:
    """Of `fct_responses`, against its impressions, the rejected events and what landed in the lake."""
    rejected_answers = rejected.filter(pl.col("event_type") == "answer")
    revenue = impressions.group_by("response_id").agg(pl.col("revenue").sum().alias("of_impressions"))
    return {
        "volume_share": _ratio(modelled_responses.height, expected_responses),
        **_rate("format_error_rate", modelled_responses["has_format_error"]),
        "lost_responses": responses.join(modelled_responses, on="response_id", how="anti")
        .join(rejected_answers, on="response_id", how="anti", nulls_equal=True)
        .height,
        "unequal_revenue": modelled_responses.join(revenue, on="response_id", how="left")
        .filter(pl.col("revenue") != pl.col("of_impressions").fill_null(0))
        .height,
    }


def inserted_pairs(responses: pl.DataFrame) -> pl.DataFrame:
    """(response_id, ad_id) of every inserted ad."""
    return responses.select("response_id", pl.col("inserted_ad_ids").alias("ad_id")).explode("ad_id").drop_nulls()


def _ratio(value: int, of: int) -> float:
    return value / of if of else 0.0


def _rate(name: str, values: pl.Series) -> dict[str, float]:
    return rate_figures(name, int(values.sum() or 0), len(values))


def rate_figures(name: str, hits: int, n: int) -> dict[str, float]:
    """The share hits / n with its interval; where n is 0, the share 0 and everything from 0 to 1."""
    rate, low, high = 0.0, 0.0, 1.0
    if n:
        rate = hits / n
        middle = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z * sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
        low, high = max(0.0, middle - half), min(1.0, middle + half)
    return {name: rate, f"{name}_low": low, f"{name}_high": high}
