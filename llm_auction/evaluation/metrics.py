"""What is measured of a mechanism: every metric is a ratio of two sums over the test queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` as tables and `results.json` call it, `label` and `unit` as people read it.

    The value is the mean over queries of the per-query column `numerator`, divided by that of `denominator`.
    `better` says which direction is good, None where it depends.
    """

    name: str
    label: str
    numerator: str
    denominator: str = "one"
    unit: str = ""
    better: Literal["higher", "lower"] | None = None


METRICS: tuple[Metric, ...] = (
    Metric("revenue_per_query", "Revenue per query", "revenue", better="higher"),
    Metric("expected_revenue_per_query", "Expected revenue per query", "expected_revenue", better="higher"),
    Metric("reward_per_query", "Reward per query", "reward", better="higher"),
    Metric("payment_per_query", "Payment per query", "payment"),
    Metric("welfare_per_query", "Advertiser welfare per query", "welfare", better="higher"),
    Metric("utility_per_query", "Advertiser utility per query", "utility", better="higher"),
    Metric("ads_per_answer", "Ads per answer", "n_ads"),
    Metric("no_ad_share", "Answers without an ad", "has_no_ad", unit="%"),
    Metric("flooding_rate", "Answers that flood the user", "flooded", unit="%", better="lower"),
    Metric("ctr", "Click-through rate", "clicks", "judged_ads", unit="%"),
    Metric("format_error_rate", "Answers with a format error", "has_format_error", unit="%", better="lower"),
    Metric("answer_words", "Answer length", "words", unit="words"),
    Metric("answer_tokens", "Answer length", "tokens", unit="tokens"),
    Metric("answer_characters", "Answer length", "characters", unit="characters"),
    Metric("distinct_answer_share", "Distinct answers to a query", "distinct_share", unit="%"),
    Metric("generations_per_query", "Generations per query", "generations", unit="answers", better="lower"),
    Metric("tokens_per_query", "Tokens generated per query", "generated_tokens", unit="tokens", better="lower"),
    Metric("seconds_per_query", "Serving time per query", "seconds", unit="s", better="lower"),
    Metric("clairvoyant_reward_share", "Share of clairvoyant reward", "reward", "clairvoyant_reward", "%", "higher"),
)

COLUMNS: tuple[str, ...] = (
    *dict.fromkeys(column for metric in METRICS for column in (metric.numerator, metric.denominator)),
    "clairvoyant_revenue",
)


def metric(name: str) -> Metric:
    """The metric of that name; KeyError when there is none."""
    return {one.name: one for one in METRICS}[name]


def per_query(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Average the answers of one query: a row for each seed, contender and query, columns as in `COLUMNS`.

    `distinct_share` is the number of distinct answers to the query over the number of answers drawn. Answers that the
    user did not judge are left out of the means of what hangs on clicks; a query without any other has null there.
    """
    unjudged = pl.col("revenue").is_null()
    given = [column for column in COLUMNS if column in outcomes.columns]
    return (
        outcomes.with_columns(
            clicks=pl.when(~unjudged).then(pl.col("clicks").list.sum()).cast(pl.Float64),
            judged_ads=pl.when(~unjudged).then("n_ads").cast(pl.Float64),
            has_format_error=(pl.col("format_errors") > 0).cast(pl.Float64),
            has_no_ad=(pl.col("n_ads") == 0).cast(pl.Float64),
            words=pl.col("answer").map_elements(_words, return_dtype=pl.Float64),
        )
        .group_by("seed", "mechanism", "iteration", "variant", "query_id")
        .agg(
            pl.col([column for column in given if column != "clicks"]).cast(pl.Float64).mean(),
            pl.col("clicks").mean(),
            pl.col("has_format_error", "has_no_ad", "judged_ads", "words").mean(),
            distinct_share=pl.col("answer").n_unique() / pl.len(),
            answers=pl.len(),
            one=pl.lit(1.0),
        )
        .sort("seed", "query_id")
    )


def _words(answer: str) -> float:
    """How many words a person reads: inserted ads count by their titles."""
    from llm_auction.restraint import excess_words

    return float(excess_words(answer, 0))


def unjudged_queries(queries: pl.DataFrame) -> pl.DataFrame:
    """Seed and id of the queries of `per_query` of which some contender has no judged answer, each once.

    Comparisons are paired, so that these queries are left out for all.
    """
    return queries.filter(pl.col("revenue").is_null()).select("seed", "query_id").unique()
