"""Plots of the reward model: the reliability curve and the loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llm_auction.pctr.metrics import ReliabilityBin

if TYPE_CHECKING:
    import altair as alt

_SIZE = 300


def reliability_chart(curves: Mapping[str, Sequence[ReliabilityBin]]) -> alt.LayerChart:
    """Observed click rate over predicted pCTR, one line a curve ("before", "after"), the diagonal for reference."""
    import altair as alt

    rows = [
        {"model": name, "predicted": part.predicted, "observed": part.observed, "impressions": part.count}
        for name, bins in curves.items()
        for part in bins
    ]
    top = 1.05 * max([1e-3, *(max(part.predicted, part.observed) for bins in curves.values() for part in bins)])
    scale = alt.Scale(domain=[0, top])
    diagonal = (
        alt.Chart(alt.Data(values=[{"predicted": 0, "observed": 0}, {"predicted": top, "observed": top}]))
        .mark_line(strokeDash=[4, 4], color="#999999")
        .encode(x=alt.X("predicted:Q", scale=scale), y=alt.Y("observed:Q", scale=scale))
    )
    curve = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("predicted:Q", title="predicted click probability", scale=scale),
            y=alt.Y("observed:Q", title="observed click rate", scale=scale),
            color=alt.Color("model:N", title=None, sort=list(curves)),
        )
    )
    return (diagonal + curve).properties(width=_SIZE, height=_SIZE)


def loss_chart(history: Sequence[Mapping[str, float]]) -> alt.Chart:
    """Training and validation loss by epoch, one pair of lines a member of the ensemble."""
    import altair as alt

    rows = [
        {"epoch": record["epoch"], "loss": record[name], "part": name.removesuffix("_loss"), "member": record["member"]}
        for record in history
        for name in ("train_loss", "validation_loss")
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("loss:Q", title="log loss", scale=alt.Scale(zero=False)),
            color=alt.Color("part:N", title=None),
            detail="member:N",
        )
        .properties(width=_SIZE, height=_SIZE)
    )
