"""What the property checks of one run say, or those of several seeds pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from llm_auction.evaluation.continuity import ContinuityFigures, continuity_figures
from llm_auction.evaluation.incentive_table import WORST_COUNTS
from llm_auction.evaluation.monotonicity import BidResponse, bid_responses
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.pooling import (
    pooled_bid_response,
    pooled_by_name,
    pooled_continuity,
    pooled_quality,
    pooled_table,
)
from llm_auction.evaluation.quality_summary import QualityFigure, quality_figures
from llm_auction.pctr.ablation_summary import FIGURES

if TYPE_CHECKING:
    from llm_auction.report.study import SeedRun

_VALUE = ("value", "ci_low", "ci_high")
_CHANGE = ("change", "change_low", "change_high")


@dataclass(frozen=True, slots=True)
class Properties:
    """The figures of every check, empty or None where it was not run; the tables as in `SeedRun`.

    `seeds`: those that each check was run under, by its table in the lake; a check that was not run is not there.
    """

    bid_responses: Mapping[Contender, BidResponse] = field(default_factory=dict)
    continuity: Mapping[Contender, ContinuityFigures] = field(default_factory=dict)
    quality: Mapping[Contender, Mapping[str, QualityFigure]] = field(default_factory=dict)
    incentives: pl.DataFrame | None = None
    reserve: pl.DataFrame | None = None
    reward_model: pl.DataFrame | None = None
    objectives: Mapping[Contender, Mapping[str, QualityFigure]] = field(default_factory=dict)
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: SeedRun, resamples: int) -> Properties:
        """The figures of one run, with intervals over its queries."""
        return cls(
            {} if run.bid_curves is None else bid_responses(run.bid_curves, resamples, run.seed),
            {} if run.continuity is None else continuity_figures(run.continuity, resamples, run.seed),
            {} if run.quality is None else quality_figures(run.quality, resamples, run.seed),
            run.incentives,
            run.reserve,
            run.reward_model,
            {} if run.objectives is None else quality_figures(run.objectives, resamples, run.seed),
            dict.fromkeys(run.checks, (run.seed,)),
        )

    @classmethod
    def pooled(cls, seeds: Sequence[Properties], *, independent: bool = True) -> Properties:
        """Those of several seeds as one (`llm_auction.evaluation.pooling`), each check over the seeds that have it.

        `independent`: whether every seed asked other questions.
        """
        responses = partial(pooled_bid_response, independent=independent)
        continuity = partial(pooled_continuity, independent=independent)
        quality = partial(pooled_quality, independent=independent)
        tables = partial(_pooled, independent=independent)
        return cls(
            pooled_by_name([one.bid_responses for one in seeds if one.bid_responses], responses),
            pooled_by_name([one.continuity for one in seeds if one.continuity], continuity),
            pooled_by_name([one.quality for one in seeds if one.quality], quality),
            tables([one.incentives for one in seeds], [_VALUE], WORST_COUNTS),
            tables([one.reserve for one in seeds], [_VALUE, _CHANGE]),
            _pooled_fits([one.reward_model for one in seeds]),
            pooled_by_name([one.objectives for one in seeds if one.objectives], quality),
            _seeds_by_check(seeds),
        )


def _seeds_by_check(seeds: Sequence[Properties]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for one in seeds:
        for name, own in one.seeds.items():
            found[name] = (*found.get(name, ()), *own)
    return found


def _pooled(
    tables: Sequence[pl.DataFrame | None],
    figures: Sequence[tuple[str, str, str]],
    worst: Mapping[str, Callable[[Iterable[float]], float]] | None = None,
    *,
    independent: bool,
) -> pl.DataFrame | None:
    known = [table for table in tables if table is not None]
    return pooled_table(known, figures, worst, independent=independent) if known else None


def _pooled_fits(tables: Sequence[pl.DataFrame | None]) -> pl.DataFrame | None:
    """The mean of every figure over the seeds; no fit has an interval of its own."""
    known = [table for table in tables if table is not None]
    if not known:
        return None
    keys = ["iteration", "reads_answer", "refreshed"]
    every = pl.concat(known).group_by(keys, maintain_order=True)
    means = every.agg(pl.col(FIGURES).mean(), pl.col("n").sum(), seeds=pl.len())
    return means.filter(pl.col("seeds") == len(known)).select(known[0].columns)
