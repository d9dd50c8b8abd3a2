"""Continuity in the report: itctr over the bid of one ad, beside the step of a slot auction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from llm_auction.evaluation.bid_curves import curves_of
from llm_auction.evaluation.continuity import (
    ONE_QUERY,
    SLOT_AUCTION,
    ContinuityFigures,
    point_intervals,
)
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.curve_drawing import (
    bid_axis,
    end_labels,
    in_frame,
    itctr_axis,
    line_colour,
    line_label,
    model_lines,
)
from llm_auction.report.palette import PALETTE
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import MISSING, number

if TYPE_CHECKING:
    import altair as alt
    import numpy as np


def continuity_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """Theorem 4.3, where it was measured."""
    if not study.pooled.continuity:
        return None
    first = next(iter(study.pooled.continuity.values()))
    return Section(
        title="Continuity",
        intro="A small change of a bid must not change clicks by much (continuity, Theorem 4.3 of the paper). A slot "
        "auction jumps: below one bid the ad has nothing, from it on everything.",
        plots=(drawn["bid_continuity"],),
        tables=(
            continuity_table(study.pooled.continuity, {seed: one.continuity for seed, one in study.properties.items()}),
        ),
        note=f"One query a seed, {first.answers} answers a bid: the bounds (95 %, conservative, for all steps at once) "
        "say how large the largest true jump may be. Jumps beyond noise: steps larger than the largest that sampling "
        f"error explains. Mean over queries: each query's own largest jump from {first.answers_of_many} answers a bid, "
        f"so that even a smooth curve shows about {number(1 / first.answers_of_many, '%')}; flat curves are left out.",
    )


def continuity_chart(table: pl.DataFrame, resamples: int, seed: int) -> alt.LayerChart:
    """The curves of the query that was looked at closely; the last model's with the 95 % interval of every point."""
    import altair as alt

    curves = {one: found[0] for one, found in curves_of(table.filter(pl.col("scope") == ONE_QUERY)).items()}
    slot = curves.pop(SLOT_AUCTION)
    last = list(curves)[-1]
    low, high = point_intervals(curves[last], resamples, seed)
    top = max(float(high.max()), float(slot.itctr.max()), *(float(curve.itctr.max()) for curve in curves.values()))
    x, y = bid_axis(), itctr_axis(top)
    band = alt.Chart(pl.DataFrame({"bid": slot.bids, "itctr": low, "high": high})).mark_area(
        color=line_colour(last), opacity=0.18
    )
    step = alt.Chart(_points(slot.bids, slot.itctr)).mark_line(
        interpolate="step-after", strokeWidth=1.5, strokeDash=[5, 3], color=PALETTE["ink"]
    )
    lines = model_lines({one: _points(curve.bids, curve.itctr) for one, curve in curves.items()}, top)
    ends = [(line_label(one), float(curve.itctr[-1]), line_colour(one)) for one, curve in curves.items()]
    labels = end_labels([*ends, ("Slot auction", float(slot.itctr[-1]), PALETTE["ink"])], top)
    layers = [band.encode(x=x, y=y, y2="high:Q"), step.encode(x=x, y=y), *lines, *labels]
    return in_frame(layers)


def continuity_table(
    figures: Mapping[Contender, ContinuityFigures],
    by_seed: Mapping[int, Mapping[Contender, ContinuityFigures]] | None = None,
) -> Table:
    """One row a contender: the largest jump as a share of the curve's own range, and over many queries."""
    headings = ("Largest jump, of the range", "At bid", "Jumps beyond noise", "Largest jump, mean over queries")
    return Table.of(
        "Largest jump", headings, _rows(figures), {seed: _rows(found) for seed, found in (by_seed or {}).items()}
    )


def _rows(figures: Mapping[Contender, ContinuityFigures]) -> list[Row]:
    return [(one, _cells(found)) for one, found in figures.items()]


def _cells(found: ContinuityFigures) -> list[Cell]:
    jump = found.jump
    return [
        Cell.of(jump.share, "%"),
        Cell(str(jump.bid) if jump.range and jump.bid is not None else MISSING),
        Cell(str(jump.steps_beyond_noise)),
        Cell.of(found.mean_share, "%"),
    ]


def _points(bids: np.ndarray, itctr: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"bid": bids, "itctr": itctr})
