"""Quality figures by contender: the mean over test queries of each query's mean over its answers, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from llm_auction.evaluation.bootstrap import Interval, mean_interval
from llm_auction.evaluation.outcomes import CONTENDER_COLUMNS, Contender, contenders, of_contender


@dataclass(frozen=True, slots=True)
class QualityFigure:
    """One metric of one contender; `n` counts the queries in which any answer defines it."""

    mean: Interval
    n: int


def quality_figures(table: pl.DataFrame, resamples: int, seed: int) -> Mapping[Contender, Mapping[str, QualityFigure]]:
    """Every numeric metric of a table of answers, of every contender in the order of the results table.

    Args:
        table: `QUALITY_SCHEMA`, and the grades of `JUDGED_SCHEMA` where a judge was asked.
        resamples: bootstrap resamples over queries.
        seed: of the resampling.
    """
    metrics = [name for name, dtype in table.schema.items() if dtype == pl.Float64]
    by_query = table.group_by(*CONTENDER_COLUMNS, "query_id").agg(pl.col(metrics).mean()).sort("query_id")
    return {
        contender: {name: _figure(of_contender(by_query, contender)[name], resamples, seed) for name in metrics}
        for contender in contenders(table)
    }


def _figure(values: pl.Series, resamples: int, seed: int) -> QualityFigure:
    known = values.drop_nulls().to_numpy()
    return QualityFigure(mean_interval(known, resamples, seed), len(known))
