"""The plot beside one mechanism's outcomes: revenue and reward of each of its iterations or settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from llm_auction.evaluation.efficiency import Comparison
from llm_auction.evaluation.metrics import metric
from llm_auction.report.palette import PALETTE
from llm_auction.report.wording import name_of

if TYPE_CHECKING:
    import altair as alt

_METRICS = {"revenue_per_query": "llm-auction", "reward_per_query": "clairvoyant"}
_ROW_HEIGHT = 34


def contender_chart(comparison: Comparison) -> alt.HConcatChart:
    """Two panels, revenue and reward per query, with 95 % intervals; a row a contender, in their order."""
    import altair as alt

    names = [name_of(one) for one in comparison.contenders]
    panels = []
    for name, colour in _METRICS.items():
        figures = [comparison.interval(one, name) for one in comparison.contenders]
        frame = pl.DataFrame(
            {
                "contender": names,
                "value": [figure.value for figure in figures],
                "low": [figure.low for figure in figures],
                "high": [figure.high for figure in figures],
            }
        )
        x = alt.X("value:Q", title=f"{metric(name).label}, 95 % interval", scale=alt.Scale(zero=True))
        y = alt.Y("contender:N", sort=names, title=None)
        base = alt.Chart(frame).encode(x=x, y=y)
        bars = base.mark_rule(color=PALETTE[colour], strokeWidth=2).encode(x="low:Q", x2="high:Q")
        dots = base.mark_point(color=PALETTE[colour], filled=True, size=80, opacity=1)
        panels.append(alt.layer(bars, dots).properties(width=260, height=_ROW_HEIGHT * len(names)))
    return alt.hconcat(*panels)
