"""The property checks' part of `results.json`: one record a contender and figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.study import SeedRun, Study

# (metric, figure, number of what it rests on)
_Figure = tuple[str, Interval, int]


def property_records(study: Study, run: SeedRun) -> list[dict[str, Any]]:
    """The records of one seed's run, keys as in `llm_auction.report.records.records`."""
    tables = {
        "bid_monotonicity": _monotonicity,
        "bid_continuity": _continuity,
        "incentive_report": _incentives,
        "answer_quality": _quality,
    }
    return [
        {
            "profile": study.profile,
            "seed": run.seed,
            "seeds": [run.seed],
            "mechanism": contender.mechanism,
            "arm": contender.mechanism if contender.iteration is not None else None,
            "iteration": contender.iteration,
            "variant": contender.variant,
            "metric": name,
            "value": figure.value,
            "ci_low": figure.low,
            "ci_high": figure.high,
            "n": n,
            "run": run.runs.get(table),
            "table": table,
        }
        for table, figures in tables.items()
        for contender, (name, figure, n) in figures(study, run.seed)
    ]


def _monotonicity(study: Study, seed: int) -> Iterator[tuple[Contender, _Figure]]:
    for contender, found in study.bid_responses.get(seed, {}).items():
        yield contender, ("bid_spearman_pooled", _single(found.pooled_spearman), found.n)
        yield contender, ("bid_spearman_per_query", found.query_spearman, found.n_responsive)
        yield contender, ("bid_violation_share", found.violation_share, found.n)
        yield contender, ("bid_violation_share_beyond_noise", _single(found.confirmed_share), found.n)
        yield contender, ("bid_falls_of_mean_curve", _single(found.falls_of_mean), found.n)


def _continuity(study: Study, seed: int) -> Iterator[tuple[Contender, _Figure]]:
    for contender, found in study.continuity.get(seed, {}).items():
        yield contender, ("largest_jump", _single(found.jump.size), 1)
        yield contender, ("largest_jump_share", found.jump.share, 1)
        yield contender, ("jumps_beyond_noise", _single(found.jump.steps_beyond_noise), 1)
        yield contender, ("largest_jump_share_mean", found.mean_share, found.queries)


def _incentives(study: Study, seed: int) -> Iterator[tuple[Contender, _Figure]]:
    """The setting of a figure joins its name, such as `value_regret[target_roi=1.5]`."""
    if seed not in study.incentives:
        return
    for row in study.incentives[seed].iter_rows(named=True):
        contender = Contender(row["mechanism"], row["iteration"], row["variant"])
        name = row["metric"] if row["setting"] is None else f"{row['metric']}[{row['setting']}]"
        yield contender, (name, Interval(row["value"], row["ci_low"], row["ci_high"]), row["n"])


def _quality(study: Study, seed: int) -> Iterator[tuple[Contender, _Figure]]:
    for contender, figures in study.quality.get(seed, {}).items():
        for name, found in figures.items():
            yield contender, (f"quality_{name}", found.mean, found.n)


def _single(value: float | None) -> Interval:
    return Interval(None if value is None else float(value), None, None)
