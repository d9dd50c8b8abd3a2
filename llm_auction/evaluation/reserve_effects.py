"""What a reserve price does: every mechanism with and without it on the same queries, paired."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from llm_auction.evaluation.bootstrap import resample_means
from llm_auction.evaluation.metrics import metric, per_query, unjudged_queries
from llm_auction.evaluation.outcomes import CONTENDER_COLUMNS

MEASURED = (
    "revenue_per_query",
    "payment_per_query",
    "welfare_per_query",
    "utility_per_query",
    "reward_per_query",
    "ads_per_answer",
    "no_ad_share",
)
RESERVE_SCHEMA = {
    **dict.fromkeys(CONTENDER_COLUMNS, pl.String()),
    "reserve": pl.Float64(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "change": pl.Float64(),
    "change_low": pl.Float64(),
    "change_high": pl.Float64(),
    "n": pl.Int64(),
}


def reserve_effects(outcomes: Mapping[float, pl.DataFrame], resamples: int, seed: int) -> pl.DataFrame:
    """Every metric of `MEASURED` at every reserve, with 95 % intervals, and its paired change against no reserve.

    Args:
        outcomes: by reserve price, 0 among them, the same contenders on the same queries; rows as in `OUTCOME_SCHEMA`.
        resamples: bootstrap resamples of the queries.
        seed: of the resampling.

    Returns:
        One row a contender, reserve and metric, columns as in `RESERVE_SCHEMA`; `n` counts queries, without those of
        which somewhere no answer was judged.

    Raises:
        ValueError: there are no outcomes without a reserve, or a reserve lacks queries or contenders.
    """
    if 0.0 not in outcomes:
        raise ValueError("the effect of a reserve price is measured against none: outcomes at reserve 0 are missing")
    columns = [metric(name).numerator for name in MEASURED]
    found = {reserve: per_query(frame) for reserve, frame in outcomes.items()}
    unjudged = pl.concat([unjudged_queries(frame) for frame in found.values()]).unique()
    by = {
        reserve: frame.join(unjudged, on=["seed", "query_id"], how="anti")
        .sort("seed", "query_id")
        .partition_by(CONTENDER_COLUMNS, as_dict=True)
        for reserve, frame in found.items()
    }
    queries = {len(part) for parts in by.values() for part in parts.values()}
    if len(queries) != 1 or any(parts.keys() != by[0.0].keys() for parts in by.values()):
        raise ValueError("every reserve price must be measured with the same contenders on the same queries")
    rows = []
    for contender, base in by[0.0].items():
        parts = [by[reserve][contender].select(columns).to_numpy() for reserve in outcomes]
        means = resample_means(np.hstack(parts), base["seed"].to_list(), resamples, seed)
        none = list(outcomes).index(0.0) * len(columns)
        for place, reserve in enumerate(outcomes):
            for offset, name in enumerate(MEASURED):
                column = place * len(columns) + offset
                value, change = means.mean(column), means.difference(column, none + offset)
                figures = (value.value, value.low, value.high, change.value, change.low, change.high)
                rows.append((*contender, reserve, name, *figures, base.height))
    return pl.DataFrame(rows, schema=RESERVE_SCHEMA, orient="row")
