"""The plot of bid monotonicity: how often the probed ad is shown and clicked, over its bid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from llm_auction.evaluation.bootstrap import resample_means
from llm_auction.evaluation.outcomes import CONTENDER_COLUMNS, Contender, of_contender
from llm_auction.report.curve_drawing import (
    bid_axis,
    end_labels,
    in_frame,
    itctr_axis,
    line_colour,
    line_label,
    model_lines,
)

if TYPE_CHECKING:
    import altair as alt


def mean_curves(table: pl.DataFrame, beside: Sequence[Contender] = ()) -> dict[Contender, pl.DataFrame]:
    """Mean itctr over queries (and seeds) at every bid: the pretrained model, each iteration, and those of `beside`.

    A contender of `beside` without curves in the table is left out.
    """
    means = table.group_by(*CONTENDER_COLUMNS, "bid").agg(pl.col("itctr").mean()).sort("bid")
    curves = {
        Contender(*names): points.select("bid", "itctr")
        for names, points in means.group_by(CONTENDER_COLUMNS, maintain_order=True)
    }
    models = [one for one in curves if one.mechanism in ("pretrained", "llm_auction") and one.variant is None]
    models.sort(key=lambda one: one.iteration or "")
    return {one: curves[one] for one in (*models, *beside) if one in curves}


def interval_band(
    table: pl.DataFrame,
    contender: Contender,
    resamples: int,
    seed: int,
    question_of: Mapping[tuple[int, str], Hashable] | None = None,
) -> pl.DataFrame:
    """The 95 % interval of every point of one mean curve, over the queries of each seed: `bid`, `itctr` (low), `high`.

    Args:
        table: curves as in `CURVE_SCHEMA`, with the `seed` that each was measured under.
        contender: whose curve; without bounds where a seed has a single query.
        resamples, seed: of the bootstrap.
        question_of: as for `Comparison`.
    """
    own = of_contender(table, contender)
    rows = own.sort("bid").group_by("seed", "query_id", "ad_id").agg("itctr").sort("seed", "query_id")
    units = [(question_of or {}).get(one, one) for one in rows.select("seed", "query_id").iter_rows()]
    curves, strata = np.asarray(rows["itctr"].to_list()), rows["seed"].to_list()
    means = resample_means(curves, strata, resamples, seed, units)
    bids = own["bid"].unique().sort()
    points = [means.mean(column) for column in range(len(bids))]
    bounds = {"itctr": [point.low for point in points], "high": [point.high for point in points]}
    return pl.DataFrame({"bid": bids, **bounds}, schema_overrides=dict.fromkeys(bounds, pl.Float64()))


def bid_chart(
    table: pl.DataFrame,
    resamples: int,
    seed: int,
    beside: Sequence[Contender] = (),
    question_of: Mapping[tuple[int, str], Hashable] | None = None,
) -> alt.LayerChart:
    """Mean itctr over the bid, one line a model; later iterations are drawn stronger, the last one with its intervals.

    Args:
        table, resamples, seed, question_of: as for `interval_band`.
        beside: other mechanisms to draw, dashed.
    """
    import altair as alt

    means = mean_curves(table, beside)
    last = [one for one in means if one not in beside][-1]
    band = interval_band(table, last, resamples, seed, question_of).drop_nulls()
    highest = [*(value for points in means.values() for value in points["itctr"]), *band["high"]]
    top = max(highest)
    area = alt.Chart(band).mark_area(color=line_colour(last), opacity=0.18)
    ends = [(line_label(one), points["itctr"].to_list()[-1], line_colour(one)) for one, points in means.items()]
    return in_frame(
        [
            area.encode(x=bid_axis(), y=itctr_axis(top), y2="high:Q"),
            *model_lines(means, top),
            *end_labels(ends, top),
        ]
    )
