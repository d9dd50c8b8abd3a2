"""The plot of bid monotonicity: how often the probed ad is shown and clicked, over its bid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from llm_auction.report.palette import PALETTE

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 330, 230


def mean_curves(curves: pl.DataFrame) -> pl.DataFrame:
    """Mean itctr over queries for every model and bid; `model` names it, `step` is its iteration (0: pretrained)."""
    return (
        curves.with_columns(step=pl.col("iteration").cast(pl.Int64).fill_null(0))
        .group_by("step", "bid")
        .agg(pl.col("itctr").mean())
        .with_columns(
            model=pl.when(pl.col("step") == 0)
            .then(pl.lit("Pretrained"))
            .otherwise(pl.format("Iteration {}", pl.col("step")))
        )
        .sort("step", "bid")
    )


def bid_chart(curves: pl.DataFrame) -> alt.LayerChart:
    """Mean itctr over the bid, one line a model; later iterations are drawn stronger."""
    import altair as alt

    means = mean_curves(curves)
    last = int(means["step"].to_list()[-1])
    x = alt.X(
        "bid:Q",
        title="Bid of the ad",
        scale=alt.Scale(domain=[0, 100]),
        axis=alt.Axis(grid=False, values=[0, 20, 40, 60, 80, 100]),
    )
    y = alt.Y("itctr:Q", title=None, scale=alt.Scale(zero=True), axis=alt.Axis(format=".0%", tickCount=5))
    layers = []
    for (step,), curve in means.group_by("step", maintain_order=True):
        colour = PALETTE["llm-auction" if step else "pretrained"]
        strength = 0.35 + 0.65 * int(step) / last if step else 1.0
        line = alt.Chart(curve).mark_line(strokeWidth=2, color=colour, opacity=strength)
        layers.append(line.encode(x=x, y=y))
        label = alt.Chart(curve.tail(1)).mark_text(
            align="right", baseline="bottom", dy=-5, fontSize=11, fontWeight=600, color=colour
        )
        layers.append(label.encode(x=x, y=y, text="model:N"))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
