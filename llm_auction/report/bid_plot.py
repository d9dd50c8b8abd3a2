"""The plot of bid monotonicity: how often the probed ad is shown and clicked, over its bid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.curve_drawing import end_labels, in_frame, line_colour, line_label, model_lines

if TYPE_CHECKING:
    import altair as alt


def mean_curves(table: pl.DataFrame) -> dict[Contender, pl.DataFrame]:
    """Mean itctr over queries (and seeds) at every bid, for the pretrained model and each iteration."""
    means = (
        table.filter(pl.col("variant").is_null(), pl.col("mechanism").is_in(["pretrained", "llm_auction"]))
        .group_by("mechanism", "iteration", "bid")
        .agg(pl.col("itctr").mean())
        .sort("iteration", "bid", nulls_last=False)
    )
    return {
        Contender(str(mechanism), None if iteration is None else str(iteration)): points
        for (mechanism, iteration), points in means.group_by("mechanism", "iteration", maintain_order=True)
    }


def bid_chart(table: pl.DataFrame) -> alt.LayerChart:
    """Mean itctr over the bid, one line a model; later iterations are drawn stronger."""
    means = mean_curves(table)
    top = max(max(points["itctr"].to_list()) for points in means.values())
    ends = [(line_label(one), points["itctr"].to_list()[-1], line_colour(one)) for one, points in means.items()]
    return in_frame([*model_lines(means, top), *end_labels(ends, top)])
