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
    continuity_figures,
    point_intervals,
)
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.curve_drawing import (
    HEIGHT,
    WIDTH,
    bid_axis,
    end_labels,
    itctr_axis,
    line_colour,
    line_label,
    model_lines,
)
from llm_auction.report.palette import PALETTE
from llm_auction.report.wording import interval, name_of, number

if TYPE_CHECKING:
    import altair as alt
    import numpy as np


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
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def continuity_rows(figures: Mapping[Contender, ContinuityFigures]) -> list[tuple[str, str, str, str, str, str, str]]:
    """One row a contender: name, largest jump and its bounds, the bid below it, steps beyond noise, mean over queries.

    Shares are of the curve's own range.
    """
    rows = []
    for contender, found in figures.items():
        jump, share = found.jump, found.mean_share
        rows.append(
            (
                name_of(contender),
                number(jump.share.value, "%"),
                interval(jump.share, "%"),
                str(jump.bid) if jump.range else "",
                str(jump.steps_beyond_noise),
                number(share.value, "%"),
                interval(share, "%"),
            )
        )
    return rows


def continuity_markdown(table: pl.DataFrame, resamples: int, seed: int) -> str:
    """The figures as a Markdown table, for the metadata of an asset."""
    lines = [
        "| | largest jump, share of the range | at bid | steps beyond noise | the same, mean over queries (95 % CI) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, share, bounds, bid, steps, mean, mean_bounds in continuity_rows(
        continuity_figures(table, resamples, seed)
    ):
        lines.append(f"| {name} | {_joined(share, bounds)} | {bid} | {steps} | {_joined(mean, mean_bounds)} |")
    return "\n".join(lines)


def _joined(value: str, bounds: str) -> str:
    return f"{value} ({bounds})" if bounds else value


def _points(bids: np.ndarray, itctr: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"bid": bids, "itctr": itctr})
