"""The property checks' part of `results.json`: one record a contender and figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.pctr.ablation_summary import FIGURES, model_name
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
        "objective_terms": _objectives,
        "reserve_prices": _reserve,
        "reward_model_ablation": _reward_model,
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
        for contender, (name, figure, n) in figures(study, run)
    ]


def _monotonicity(study: Study, run: SeedRun) -> Iterator[tuple[Contender, _Figure]]:
    for contender, found in study.bid_responses.get(run.seed, {}).items():
        yield contender, ("bid_spearman_pooled", found.pooled_spearman, found.n)
        yield contender, ("bid_spearman_per_query", found.query_spearman, found.n_responsive)
        yield contender, ("bid_violation_share", found.violation_share, found.n)
        yield contender, ("bid_violation_share_beyond_noise", _single(found.confirmed_share), found.n)
        yield contender, ("bid_falls_of_mean_curve", _single(found.falls_of_mean), found.n)


def _continuity(study: Study, run: SeedRun) -> Iterator[tuple[Contender, _Figure]]:
    for contender, found in study.continuity.get(run.seed, {}).items():
        yield contender, ("largest_jump", _single(found.jump.size), 1)
        yield contender, ("largest_jump_share", found.jump.share, 1)
        yield contender, ("jumps_beyond_noise", _single(found.jump.steps_beyond_noise), 1)
        yield contender, ("largest_jump_share_mean", found.mean_share, found.queries)


def _incentives(study: Study, run: SeedRun) -> Iterator[tuple[Contender, _Figure]]:
    """The setting of a figure joins its name, such as `value_regret[target_roi=1.5]`."""
    if run.incentives is None:
        return
    for row in run.incentives.iter_rows(named=True):
        contender = Contender(row["mechanism"], row["iteration"], row["variant"])
        name = row["metric"] if row["setting"] is None else f"{row['metric']}[{row['setting']}]"
        yield contender, (name, Interval(row["value"], row["ci_low"], row["ci_high"]), row["n"])


def _quality(study: Study, run: SeedRun) -> Iterator[tuple[Contender, _Figure]]:
    for contender, figures in study.quality.get(run.seed, {}).items():
        for name, found in figures.items():
            yield contender, (f"quality_{name}", found.mean, found.n)


def _objectives(study: Study, run: SeedRun) -> Iterator[tuple[Contender, _Figure]]:
    """Terms join the metrics by their own names, `objective_<arm>` the value under that arm's objective."""
    for contender, figures in study.objectives.get(run.seed, {}).items():
        for name, found in figures.items():
            yield contender, (name if name.startswith("objective_") else f"term_{name}", found.mean, found.n)


def _reserve(study: Study, run: SeedRun) -> Iterator[tuple[Contender, _Figure]]:
    """The reserve price joins a figure's name; `_change` is the paired difference to no reserve."""
    if run.reserve is None:
        return
    for row in run.reserve.iter_rows(named=True):
        contender, setting = (
            Contender(row["mechanism"], row["iteration"], row["variant"]),
            f"[reserve={row['reserve']:g}]",
        )
        yield contender, (row["metric"] + setting, Interval(row["value"], row["ci_low"], row["ci_high"]), row["n"])
        change = Interval(row["change"], row["change_low"], row["change_high"])
        yield contender, (f"{row['metric']}_change{setting}", change, row["n"])


def _reward_model(study: Study, run: SeedRun) -> Iterator[tuple[Contender, _Figure]]:
    """The variant says what the reward model reads and when it was fitted."""
    if run.reward_model is None:
        return
    for row in run.reward_model.iter_rows(named=True):
        contender = Contender("llm_auction", row["iteration"], model_name(row["reads_answer"], row["refreshed"]))
        for name in FIGURES:
            yield contender, (f"pctr_{name}", _single(row[name]), row["n"])


def _single(value: float | None) -> Interval:
    return Interval(None if value is None else float(value), None, None)
