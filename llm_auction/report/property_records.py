"""The property checks' part of `results.json`: one figure a contender and metric."""

from __future__ import annotations

from collections.abc import Iterator

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.pctr.ablation_summary import FIGURES, model_name
from llm_auction.report.properties import Properties

# (metric, figure, number of what it rests on)
_Figure = tuple[str, Interval, int]


def property_figures(properties: Properties) -> Iterator[tuple[str, Contender, _Figure]]:
    """The figures of one seed, or of several pooled: the table that each comes from, whose it is, and the figure."""
    tables = {
        "bid_monotonicity": _monotonicity,
        "bid_continuity": _continuity,
        "incentive_report": _incentives,
        "answer_quality": _quality,
        "objective_terms": _objectives,
        "reserve_prices": _reserve,
        "reward_model_ablation": _reward_model,
    }
    for table, figures in tables.items():
        for contender, figure in figures(properties):
            yield table, contender, figure


def _monotonicity(properties: Properties) -> Iterator[tuple[Contender, _Figure]]:
    for contender, found in properties.bid_responses.items():
        yield contender, ("bid_spearman_pooled", found.pooled_spearman, found.n)
        yield contender, ("bid_spearman_per_query", found.query_spearman, found.n_responsive)
        yield contender, ("bid_violation_share", found.violation_share, found.n)
        yield contender, ("bid_violation_share_beyond_noise", found.confirmed_share, found.n)
        yield contender, ("bid_falls_of_mean_curve", _single(found.falls_of_mean), found.n)


def _continuity(properties: Properties) -> Iterator[tuple[Contender, _Figure]]:
    for contender, found in properties.continuity.items():
        yield contender, ("largest_jump", _single(found.jump.size), 1)
        yield contender, ("largest_jump_share", found.jump.share, 1)
        yield contender, ("jumps_beyond_noise", _single(found.jump.steps_beyond_noise), 1)
        yield contender, ("largest_jump_share_mean", found.mean_share, found.queries)


def _incentives(properties: Properties) -> Iterator[tuple[Contender, _Figure]]:
    """The setting of a figure joins its name, such as `value_regret[target_roi=1.5]`."""
    if properties.incentives is None:
        return
    for row in properties.incentives.iter_rows(named=True):
        contender = Contender(row["mechanism"], row["iteration"], row["variant"])
        name = row["metric"] if row["setting"] is None else f"{row['metric']}[{row['setting']}]"
        yield contender, (name, Interval(row["value"], row["ci_low"], row["ci_high"]), row["n"])


def _quality(properties: Properties) -> Iterator[tuple[Contender, _Figure]]:
    for contender, figures in properties.quality.items():
        for name, found in figures.items():
            yield contender, (f"quality_{name}", found.mean, found.n)


def _objectives(properties: Properties) -> Iterator[tuple[Contender, _Figure]]:
    """Terms join the metrics by their own names, `objective_<arm>` the value under that arm's objective."""
    for contender, figures in properties.objectives.items():
        for name, found in figures.items():
            yield contender, (name if name.startswith("objective_") else f"term_{name}", found.mean, found.n)


def _reserve(properties: Properties) -> Iterator[tuple[Contender, _Figure]]:
    """The reserve price joins a figure's name; `_change` is the paired difference to no reserve."""
    if properties.reserve is None:
        return
    for row in properties.reserve.iter_rows(named=True):
        contender, setting = (
            Contender(row["mechanism"], row["iteration"], row["variant"]),
            f"[reserve={row['reserve']:g}]",
        )
        yield contender, (row["metric"] + setting, Interval(row["value"], row["ci_low"], row["ci_high"]), row["n"])
        change = Interval(row["change"], row["change_low"], row["change_high"])
        yield contender, (f"{row['metric']}_change{setting}", change, row["n"])


def _reward_model(properties: Properties) -> Iterator[tuple[Contender, _Figure]]:
    """The variant says what the reward model reads and when it was fitted."""
    if properties.reward_model is None:
        return
    for row in properties.reward_model.iter_rows(named=True):
        contender = Contender("llm_auction", row["iteration"], model_name(row["reads_answer"], row["refreshed"]))
        for name in FIGURES:
            yield contender, (f"pctr_{name}", _single(row[name]), row["n"])


def _single(value: float | None) -> Interval:
    return Interval(None if value is None else float(value), None, None)
