"""The property checks of several seeds as one: queries are nested in seeds.

Every seed is a study of its own, with its own users, queries, bids and training runs. The pooled figure is the mean of
the seeds' figures, each seed with the same weight. Its 95 % interval comes from the seeds' own intervals over their
queries, which are independent, by the method of variance estimates recovery (MOVER; Zou, Donner, Statistics in
Medicine 27, 2008): with S figures v and their bounds l and u

    mean(v) - sqrt(sum((v - l)^2)) / S    to    mean(v) + sqrt(sum((u - v)^2)) / S.

For plain means this is the stratified bootstrap, up to percentiles; it also holds for rank correlations, ratios and
bounds, which can't be resampled together. Seeds are held fixed: the interval speaks of other queries put to these
training runs. How far training runs differ is what the figures of each seed alone show.

Where seeds share their questions (`population.queries_source`) their intervals are not independent. How far they move
together is not known figure by figure, so that the widest is taken: as if they moved as one, which puts the mean of the
gaps in place of the root.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, TypeVar

import polars as pl

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.continuity import ContinuityFigures, Jump
from llm_auction.evaluation.monotonicity import BidResponse
from llm_auction.evaluation.quality_summary import QualityFigure

Key = TypeVar("Key", bound=Hashable)
Figures = TypeVar("Figures")


def pooled_interval(figures: Sequence[Interval], *, independent: bool = True) -> Interval:
    """The mean of figures with its interval: undefined where one is, without bounds where one has none.

    `independent`: whether the figures come from other questions each; if not, the interval is the widest possible.

    Raises:
        ValueError: there are no figures.
    """
    if not figures:
        raise ValueError("no figures to pool")
    values = [one.value for one in figures if one.value is not None]
    if len(values) < len(figures):
        return Interval(None, None, None)
    count, mean = len(figures), sum(values) / len(values)
    below = [value - one.low for value, one in zip(values, figures, strict=True) if one.low is not None]
    above = [one.high - value for value, one in zip(values, figures, strict=True) if one.high is not None]
    if len(below) < count or len(above) < count:
        return Interval(mean, None, None)
    low, high = ((sqrt(sum(gap**2 for gap in gaps)) if independent else sum(gaps)) / count for gaps in (below, above))
    return Interval(mean, mean - low, mean + high)


def pooled_by_name(
    by_seed: Sequence[Mapping[Key, Figures]], pool: Callable[[Sequence[Figures]], Figures]
) -> dict[Key, Figures]:
    """`pool` of what every seed has, by name, in the order of the first seed."""
    if not by_seed:
        return {}
    common = [name for name in by_seed[0] if all(name in figures for figures in by_seed)]
    return {name: pool([figures[name] for figures in by_seed]) for name in common}


def pooled_bid_response(seeds: Sequence[BidResponse], *, independent: bool = True) -> BidResponse:
    """Correlations and shares are means, counts are sums; the share beyond noise is undefined where any seed's is."""
    return BidResponse(
        pooled_spearman=pooled_interval([one.pooled_spearman for one in seeds], independent=independent),
        query_spearman=pooled_interval([one.query_spearman for one in seeds], independent=independent),
        violation_share=pooled_interval([one.violation_share for one in seeds], independent=independent),
        confirmed_share=pooled_interval([one.confirmed_share for one in seeds], independent=independent),
        falls_of_mean=sum(one.falls_of_mean for one in seeds),
        n=sum(one.n for one in seeds),
        n_responsive=sum(one.n_responsive for one in seeds),
        answers=min(one.answers for one in seeds),
    )


def pooled_continuity(seeds: Sequence[ContinuityFigures], *, independent: bool = True) -> ContinuityFigures:
    """Every seed looks closely at a query of its own: their largest jumps are averaged, steps beyond noise counted."""
    jumps = [one.jump for one in seeds]
    return ContinuityFigures(
        jump=Jump(
            size=sum(one.size for one in jumps) / len(jumps),
            bid=jumps[0].bid if len(jumps) == 1 else None,
            range=sum(one.range for one in jumps) / len(jumps),
            share=pooled_interval([one.share for one in jumps], independent=independent),
            steps_beyond_noise=sum(one.steps_beyond_noise for one in jumps),
        ),
        mean_share=pooled_interval([one.mean_share for one in seeds], independent=independent),
        queries=sum(one.queries for one in seeds),
        answers=min(one.answers for one in seeds),
        answers_of_many=min(one.answers_of_many for one in seeds),
    )


def pooled_quality(
    seeds: Sequence[Mapping[str, QualityFigure]], *, independent: bool = True
) -> dict[str, QualityFigure]:
    """Every metric that all seeds have."""

    def pool(found: Sequence[QualityFigure]) -> QualityFigure:
        means = [one.mean for one in found]
        return QualityFigure(pooled_interval(means, independent=independent), sum(one.n for one in found))

    return pooled_by_name(seeds, pool)


def pooled_table(
    tables: Sequence[pl.DataFrame],
    figures: Sequence[tuple[str, str, str]],
    worst: Mapping[str, Callable[[Iterable[float]], float]] | None = None,
    *,
    independent: bool = True,
) -> pl.DataFrame:
    """Tables of figures in long form as one; rows that some seed lacks are left out.

    Args:
        tables: one a seed, of the same columns, with a count `n`, which is summed.
        figures: the columns of each figure: value, lower and upper bound. All other columns tell rows apart.
        worst: by `metric`, what takes the place of the mean for figures of which the worst counts (`max` or `min`).
        independent: as for `pooled_interval`.
    """
    columns = [column for triple in figures for column in triple]
    keys = [column for column in tables[0].columns if column not in (*columns, "n")]
    by_seed = [{tuple(row[key] for key in keys): row for row in table.iter_rows(named=True)} for table in tables]

    def pool(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {"n": sum(row["n"] for row in rows)}
        extreme = (worst or {}).get(rows[0].get("metric", ""))
        for value, low, high in figures:
            triples = [Interval(row[value], row[low], row[high]) for row in rows]
            one = pooled_interval(triples, independent=independent)
            if extreme is not None and one.value is not None:
                one = Interval(extreme([part.value for part in triples if part.value is not None]), None, None)
            found |= {value: one.value, low: one.low, high: one.high}
        return found

    pooled = pooled_by_name(by_seed, pool)
    rows = [{**dict(zip(keys, key, strict=True)), **found} for key, found in pooled.items()]
    return pl.DataFrame(rows, schema=tables[0].schema)
