"""The efficiency table: every metric of every contender with its interval, and the paired comparisons.

All contenders share one resampling of the test queries, so that a difference or a ratio of two mechanisms is paired.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from llm_auction.evaluation.bootstrap import Interval, ResampledMeans, resample_means
from llm_auction.evaluation.clairvoyant_outcomes import CLAIRVOYANT
from llm_auction.evaluation.metrics import COLUMNS, METRICS, metric, per_query, unjudged_queries
from llm_auction.evaluation.outcomes import Contender, check_paired, contenders, of_contender

EFFICIENCY_SCHEMA = {
    "mechanism": pl.String(),
    "iteration": pl.String(),
    "variant": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n": pl.Int64(),
    "answers": pl.Int64(),
}

PRETRAINED = Contender("pretrained")
# Whom everybody is compared with, each at its best variant.
_BASES = ("mosaic", "mosaic_tuned", "rag_auction", "best_of_n")
# A ratio of rewards says nothing once the base's reward may be negative, so rewards are compared by difference.
_COMPARED = {"revenue": "revenue_per_query", "reward": "reward_per_query"}


class Comparison:
    """The outcomes of several contenders on the same queries, resampled together.

    Queries of which some contender has no judged answer (a user that is an LLM may fail) are left out for all, and
    counted in `unjudged_queries`.

    Args:
        outcomes: rows as in `OUTCOME_SCHEMA`, with a column `seed` when several runs are pooled.
        resamples: bootstrap resamples.
        seed: of the resampling.
        question_of: by seed and query id, for queries that are the same question under several seeds: it is drawn for
            all of them at once.

    Raises:
        ValueError: the table is empty, contenders were not measured on the same queries, candidates and bids, or no
            query is judged for all.
    """

    def __init__(
        self,
        outcomes: pl.DataFrame,
        resamples: int,
        seed: int,
        question_of: Mapping[tuple[int, str], Hashable] | None = None,
    ) -> None:
        if outcomes.is_empty():
            raise ValueError("no outcomes to compare: materialize mechanism_outcomes first")
        check_paired(outcomes)
        self.contenders: Sequence[Contender] = contenders(outcomes)
        queries = per_query(outcomes)
        unjudged = unjudged_queries(queries)
        self.unjudged_queries = unjudged.height
        queries = queries.join(unjudged, on=["seed", "query_id"], how="anti")
        if queries.is_empty():
            raise ValueError("no query has a judged answer of every contender: the User-LLM judged too little")
        parts = {one: of_contender(queries, one).sort("seed", "query_id") for one in self.contenders}
        first = parts[self.contenders[0]]
        for one, part in parts.items():
            if part.height != first.height:
                raise ValueError(f"{one.label} is missing for some seeds: pool the runs with pool_seeds first")
        self.queries = first.height
        self.answers = {one: int(part["answers"].sum()) for one, part in parts.items()}
        self._unknown = {column for column in COLUMNS if queries[column].has_nulls()}
        self.has_bound = "clairvoyant_reward" not in self._unknown
        blocks = [part.select(COLUMNS).fill_null(0.0).to_numpy() for part in parts.values()]
        strata, named = first["seed"].to_list(), list(first.select("seed", "query_id").iter_rows())
        units = [(question_of or {}).get(one, one) for one in named]
        self._means: ResampledMeans = resample_means(np.hstack(blocks), strata, resamples, seed, units)
        self._position = {one: index * len(COLUMNS) for index, one in enumerate(self.contenders)}

    def __contains__(self, contender: Contender) -> bool:
        return contender in self._position

    def interval(self, contender: Contender, name: str) -> Interval:
        """One metric of one contender; undefined where the user model doesn't know what it needs."""
        one = metric(name)
        if self._unknown & {one.numerator, one.denominator}:
            return Interval(None, None, None)
        return self._means.ratio(self._column(contender, one.numerator), self._column(contender, one.denominator))

    def difference(self, contender: Contender, base: Contender, name: str) -> Interval:
        """The paired difference of a per-query metric, contender minus base."""
        column = metric(name).numerator
        return self._means.difference(self._column(contender, column), self._column(base, column))

    def p_value(self, contender: Contender, base: Contender, name: str, margin: float = 0.0) -> float:
        """Two-sided p value of the paired difference against -`margin`, as families of comparisons are judged by."""
        column = metric(name).numerator
        return self._means.p_value(self._column(contender, column), self._column(base, column), margin)

    def ratio(self, contender: Contender, base: Contender, name: str) -> Interval:
        """The paired ratio of a per-query metric; undefined unless the base's figure is surely positive."""
        below = self.interval(base, name).low
        if below is None or below <= 0:
            return Interval(None, None, None)
        column = metric(name).numerator
        return self._means.ratio(self._column(contender, column), self._column(base, column))

    def best(self, mechanism: str, name: str) -> Contender | None:
        """The contender of `mechanism` with the highest per-query metric, such as MOSAIC at its best tau."""
        found = [one for one in self.contenders if one.mechanism == mechanism]
        return max(found, key=lambda one: self._means.point[self._column(one, metric(name).numerator)], default=None)

    def last(self, mechanism: str) -> Contender | None:
        """The contender of `mechanism` at its last iteration."""
        found = [one for one in self.contenders if one.mechanism == mechanism]
        return max(found, key=lambda one: one.iteration or "", default=None)

    def clairvoyant(self, name: str) -> Interval:
        """`revenue_per_query` or `reward_per_query` of the clairvoyant bound (the reward-maximising answer)."""
        if not self.has_bound:
            return Interval(None, None, None)
        column = {"revenue_per_query": "clairvoyant_revenue", "reward_per_query": "clairvoyant_reward"}[name]
        return self._means.mean(self._column(self.contenders[0], column))

    def _column(self, contender: Contender, column: str) -> int:
        return self._position[contender] + COLUMNS.index(column)


def efficiency_table(comparison: Comparison) -> pl.DataFrame:
    """Every metric of every contender in long form, columns as in `EFFICIENCY_SCHEMA`; `n` counts test queries.

    Beside `METRICS`: `revenue_ratio_to_*`, `revenue_gain_over_*` and `reward_gain_over_*`, paired, of the pretrained
    model and the mechanisms of `_BASES` (each at its best variant for that quantity), and the expected figures of the
    clairvoyant bound where it is not a contender itself.
    """
    rows = [
        (one, name, interval, comparison.answers[one])
        for one in comparison.contenders
        for name, interval in _figures(comparison, one)
    ]
    if comparison.has_bound and CLAIRVOYANT not in comparison:
        rows += [(CLAIRVOYANT, name, comparison.clairvoyant(name), 0) for name in _COMPARED.values()]
    return pl.DataFrame(
        [
            (one.mechanism, one.iteration, one.variant, name, *_triple(interval), comparison.queries, answers)
            for one, name, interval, answers in rows
        ],
        schema=EFFICIENCY_SCHEMA,
        orient="row",
    )


def _figures(comparison: Comparison, contender: Contender) -> Iterator[tuple[str, Interval]]:
    for one in METRICS:
        yield one.name, comparison.interval(contender, one.name)
    for quantity, name in _COMPARED.items():
        bases = {
            "pretrained": PRETRAINED if PRETRAINED in comparison else None,
            **{mechanism: comparison.best(mechanism, name) for mechanism in _BASES},
        }
        for base_name, base in bases.items():
            if base is None or base == contender:
                continue
            yield f"{quantity}_gain_over_{base_name}", comparison.difference(contender, base, name)
            if quantity == "revenue":
                yield f"revenue_ratio_to_{base_name}", comparison.ratio(contender, base, name)


def _triple(interval: Interval) -> tuple[float | None, float | None, float | None]:
    return interval.value, interval.low, interval.high
