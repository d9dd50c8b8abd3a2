"""Incentives in the report: what the truth costs an advertiser, where bids settle, and who is truthful by design."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import polars as pl

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.incentive_table import TARGETS
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import MISSING, shown_exactly

_Figures = Mapping[tuple[str | None, str], Interval]


def incentives_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """What advertisers could gain by not telling the truth, where it was measured."""
    pooled = study.pooled.incentives
    if pooled is None:
        return None
    by_seed = {seed: one.incentives for seed, one in study.properties.items() if one.incentives is not None}
    return Section(
        title="Incentives",
        intro="First price asks for shading: an advertiser that bids its value keeps nothing. What it could gain is "
        "measured; where theory says that nobody can gain (MOSAIC, the segment auction), it is computed.",
        plots=(),
        tables=incentive_tables(pooled, by_seed),
        note="First price: gain per query of the best bid of the ladder for utility maximisers, chosen by half of the "
        "answers and measured by the other (on average a lower bound); “at most” lets the same answers choose and "
        "measure. Value maximisers: itctr that another feasible bid would add to value / target ROI, held out as well: "
        "an interval that holds zero finds no better bid. Best responses: all advertisers of a few queries, each "
        "moving only for a gain beyond its standard error, under the newest Ad-LLM. Truthful by design: exact "
        "arithmetic, 0 to nine digits; gain and least utility take the clicks that MOSAIC's pCTR expects for true, as "
        "its bill does. “Under users’ clicks” is the gain where the same bill meets the users' own clicks: what a "
        "wrong pCTR leaves to be gained. Gains and revenue in bid units.",
    )


def incentive_tables(table: pl.DataFrame, by_seed: Mapping[int, pl.DataFrame] | None = None) -> tuple[Table, ...]:
    """First price by contender, best responses by round, and the mechanisms that theory calls truthful.

    Args:
        table: `INCENTIVE_SCHEMA`, of the study as a whole.
        by_seed: the same of every seed.
    """
    first_price = (
        "Regret of the truth",
        "At most",
        "Best bid, of the value",
        *(f"Value maximiser, ROI\N{NO-BREAK SPACE}{target:g}" for target in TARGETS),
    )
    rounds = (
        "Moved",
        "Bids, of the values",
        "Paid, of the clicks' worth",
        "Revenue",
        "Of truthful revenue",
        "Advertisers keep",
    )
    truthful = ("Largest gain of a misreport", "Under users’ clicks", "Least utility")
    parts: tuple[tuple[str, tuple[str, ...], Callable[[pl.DataFrame], list[Row]]], ...] = (
        ("First price", first_price, lambda own: [(one, _first_price(f)) for one, f in _with(own, "utility_regret")]),
        ("Best responses", rounds, lambda own: list(_rounds(own))),
        ("Truthful by design", truthful, lambda own: [(one, _truthful(f)) for one, f in _with(own, "misreport_gain")]),
    )
    return tuple(
        Table.of(label, headings, rows(table), {seed: rows(own) for seed, own in (by_seed or {}).items()})
        for label, headings, rows in parts
    )


def incentive_markdown(table: pl.DataFrame) -> str:
    """The tables of one run, for the metadata of its asset."""
    return "\n\n".join(f"**{one.label}**\n\n{one.markdown()}" for one in incentive_tables(table))


def _with(table: pl.DataFrame, metric: str) -> Iterator[tuple[Contender, _Figures]]:
    """The figures of every contender that has the metric, by (setting, metric)."""
    for (mechanism, iteration, variant), part in table.group_by(
        "mechanism", "iteration", "variant", maintain_order=True
    ):
        figures = {
            (setting, name): Interval(value, low, high)
            for setting, name, value, low, high in part.select(
                "setting", "metric", "value", "ci_low", "ci_high"
            ).iter_rows()
        }
        if (None, metric) in figures:
            yield Contender(str(mechanism), _text(iteration), _text(variant)), figures


def _first_price(figures: _Figures) -> list[Cell]:
    return [
        Cell.of(figures[None, "utility_regret"]),
        Cell.of(figures[None, "utility_regret_optimistic"]),
        Cell.of(figures[None, "bid_shading"], "%"),
        *(Cell.of(figures[f"target_roi={target:g}", "value_regret"], "points") for target in TARGETS),
    ]


def _rounds(table: pl.DataFrame) -> Iterator[tuple[str, list[Cell]]]:
    played = table.filter(pl.col("setting").str.starts_with("round="))
    for (setting,), part in played.group_by("setting", maintain_order=True):
        figures = {
            name: Interval(value, low, high)
            for name, value, low, high in part.select("metric", "value", "ci_low", "ci_high").iter_rows()
        }
        number = str(setting).removeprefix("round=")
        yield (
            "the truth" if number == "0" else f"round {number}",
            [
                Cell.of(figures["moved"], "%") if number != "0" else Cell(MISSING),
                Cell.of(figures["bid_share_of_value"], "%"),
                Cell.of(figures["price_share_of_worth"], "%"),
                Cell.of(figures["revenue_per_query"]),
                Cell.of(figures["revenue_share_of_truth"], "%"),
                Cell.of(figures["utility_per_query"]),
            ],
        )


def _truthful(figures: _Figures) -> list[Cell]:
    under_users = figures.get((None, "misreport_gain_users_clicks"), Interval(None, None, None))
    return [_exact(figures[None, "misreport_gain"]), _exact(under_users), _exact(figures[None, "least_utility"])]


def _exact(figure: Interval) -> Cell:
    return Cell(MISSING if figure.value is None else shown_exactly(figure.value))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
