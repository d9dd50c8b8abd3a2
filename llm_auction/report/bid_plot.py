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
    models = means["model"].unique(maintain_order=True).to_list()
    colours = [PALETTE["pretrained"], *[PALETTE["llm-auction"]] * (len(models) - 1)]
    strength = [1.0, *[0.35 + 0.65 * (k + 1) / max(1, len(models) - 1) for k in range(len(models) - 1)]]
    base = alt.Chart(means).encode(
        x=alt.X("bid:Q", title="Bid of the ad", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(grid=False)),
        y=alt.Y("itctr:Q", title=None, scale=alt.Scale(zero=True), axis=alt.Axis(format=".0%", tickCount=5)),
        color=alt.Color("model:N", scale=alt.Scale(domain=models, range=colours), legend=None),
        opacity=alt.Opacity("model:N", scale=alt.Scale(domain=models, range=strength), legend=None),
    )
    ends = means.filter(pl.col("bid") == pl.col("bid").max())
    labels = (
        alt.Chart(ends)
        .mark_text(align="right", baseline="bottom", dx=0, dy=-5, fontSize=11, fontWeight=600)
        .encode(
            x="bid:Q",
            y="itctr:Q",
            text="model:N",
            color=alt.Color("model:N", scale=alt.Scale(domain=models, range=colours), legend=None),
        )
    )
    return alt.layer(base.mark_line(strokeWidth=2, point=True), labels).properties(width=WIDTH, height=HEIGHT)
