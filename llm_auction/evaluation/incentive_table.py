"""The incentive report as one table: a row for each contender, setting and figure, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import polars as pl

from llm_auction.evaluation.best_response import Round
from llm_auction.evaluation.bid_curves import BidCurve
from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.incentives import draw_values, first_price_regret, value_maximiser_regret
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.truthfulness import TruthRegret

# Value maximisers are looked at with these target ROIs.
TARGETS = (1.0, 1.5, 2.0)
INCENTIVE_SCHEMA: dict[str, pl.DataType] = {
    "mechanism": pl.String(),
    "iteration": pl.String(),
    "variant": pl.String(),
    "setting": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n": pl.Int64(),
}
# Metrics of which the worst seed counts, not the mean: what nobody may gain, what nobody may lose.
WORST_COUNTS: dict[str, Callable[[Iterable[float]], float]] = {
    "misreport_gain": max,
    "misreport_gain_users_clicks": max,
    "least_utility": min,
}


def first_price_rows(curves: Mapping[Contender, Sequence[BidCurve]], resamples: int, seed: int) -> pl.DataFrame:
    """Utility and value maximisers under first price, for every contender with sampled curves.

    Args:
        curves: of each contender; those without answers (computed) are left out.
    """
    rows = []
    for contender, of_contender in curves.items():
        if not of_contender[0].answers:
            continue
        values = draw_values(of_contender, seed)
        maximisers = first_price_regret(of_contender, values, resamples, seed)
        rows += [
            _row(contender, None, "utility_regret", maximisers.regret, maximisers.n),
            _row(contender, None, "utility_regret_optimistic", maximisers.optimistic, maximisers.n),
            _row(contender, None, "bid_shading", maximisers.shading, maximisers.shading_n),
        ]
        for target in TARGETS:
            found = value_maximiser_regret(of_contender, values, target, resamples, seed)
            setting = f"target_roi={target:g}"
            rows += [
                _row(contender, setting, "value_regret", found.regret, found.n),
                _row(contender, setting, "value_regret_optimistic", found.optimistic, found.n),
            ]
    return _frame(rows)


def best_response_rows(contender: Contender, rounds: Iterable[Round]) -> pl.DataFrame:
    """Every round of best responses to one contender's allocation."""
    rows = []
    for one in rounds:
        setting = f"round={one.number}"
        for metric, figure in (
            ("revenue_per_query", one.revenue),
            ("revenue_share_of_truth", one.revenue_share),
            ("bid_share_of_value", one.bid_share),
            ("price_share_of_worth", one.price_share),
            ("utility_per_query", one.utility),
            ("moved", _exact(one.moved)),
        ):
            rows.append(_row(contender, setting, metric, figure, one.n))
    return _frame(rows)


def truth_rows(contender: Contender, found: TruthRegret) -> pl.DataFrame:
    """A mechanism that theory calls truthful; `n` counts advertisers."""
    return _frame(
        [
            _row(contender, None, "misreport_gain", _exact(found.largest_gain), found.advertisers),
            _row(contender, None, "misreport_gain_users_clicks", _exact(found.largest_true_gain), found.advertisers),
            _row(contender, None, "least_utility", _exact(found.least_utility), found.advertisers),
        ]
    )


def _exact(value: float) -> Interval:
    return Interval(value, None, None)


def _row(contender: Contender, setting: str | None, metric: str, figure: Interval, n: int) -> tuple[object, ...]:
    names = (contender.mechanism, contender.iteration, contender.variant)
    return (*names, setting, metric, figure.value, figure.low, figure.high, n)


def _frame(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=INCENTIVE_SCHEMA, orient="row")
