"""The plot of revenue against cost: what a mechanism earns a query over the tokens that it generates for it.

Tokens, not seconds: they are the same on every machine and in every run; the table beside the plot has both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from llm_auction.evaluation.efficiency import Comparison
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.palette import PALETTE
from llm_auction.report.wording import NAMES

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 330, 230
# Palette colour and marker of each mechanism; arms other than these cost what LLM-Auction costs, which the note says.
_STYLES = {
    "pretrained": ("pretrained", "cross"),
    "rag_auction": ("rag-auction", "triangle-up"),
    "mosaic": ("mosaic", "square"),
    "mosaic_tuned": ("mosaic", "triangle-right"),
    "best_of_n": ("clairvoyant", "triangle-down"),
    "llm_auction": ("llm-auction", "circle"),
    "oracle": ("oracle", "diamond"),
}
_LABEL_HEIGHT = 14
_LABEL_WIDTH = 8.0  # the multiple of tokens that a label covers; so far the axis goes on behind the dearest point


def shown_contenders(comparison: Comparison) -> list[Contender]:
    """Every variant of the baselines, and each trained arm at its last iteration."""
    return [one for one in comparison.contenders if one.iteration is None or one == comparison.last(one.mechanism)]


def cost_points(comparison: Comparison) -> pl.DataFrame:
    """Tokens and revenue a query, with the interval of revenue, of every mechanism that has a style and a cost."""
    rows = []
    for one in shown_contenders(comparison):
        revenue = comparison.interval(one, "revenue_per_query")
        tokens = comparison.interval(one, "tokens_per_query").value
        if one.mechanism in _STYLES and tokens:
            rows.append((one.mechanism, one.variant, tokens, revenue.value, revenue.low, revenue.high))
    schema: dict[str, pl.DataType] = {"mechanism": pl.String(), "variant": pl.String()}
    schema |= dict.fromkeys(("tokens", "revenue", "low", "high"), pl.Float64())
    return pl.DataFrame(rows, schema=schema, orient="row")


def cost_chart(points: pl.DataFrame) -> alt.LayerChart:
    """Revenue over tokens (logarithmic) of `cost_points`, a label a mechanism; the search over N as a line."""
    import altair as alt

    tokens, top = (
        points["tokens"].to_list(),
        max(points.select(pl.max_horizontal("high", "revenue")).to_series()) or 1.0,
    )
    x = alt.X(
        "tokens:Q",
        title="Tokens generated for a query",
        scale=alt.Scale(type="log", domain=[min(tokens) / 1.5, max(tokens) * _LABEL_WIDTH], nice=False),
        axis=alt.Axis(grid=False, tickCount=5, format=",.0f"),
    )
    y = alt.Y("revenue:Q", title=None, scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5))
    layers = []
    for (mechanism,), part in points.group_by("mechanism", maintain_order=True):
        name, sign = _STYLES[str(mechanism)]
        base = alt.Chart(part).encode(x=x, y=y)
        if mechanism == "best_of_n":
            layers.append(base.mark_line(strokeWidth=1, strokeDash=[4, 3], color=PALETTE[name]))
        layers.append(base.mark_rule(strokeWidth=1.5, color=PALETTE[name]).encode(y="low:Q", y2="high:Q"))
        layers.append(base.mark_point(filled=True, size=60, opacity=1, color=PALETTE[name], shape=sign))
    return alt.layer(*layers, *_labels(points, x, top)).properties(width=WIDTH, height=HEIGHT)


def _labels(points: pl.DataFrame, x: alt.X, top: float) -> list[alt.Chart]:
    """At the right of each mechanism's best point, moved up where labels would cover one another."""
    import altair as alt

    best = points.sort("revenue", descending=True).unique("mechanism", keep="first", maintain_order=True)
    layers = []
    placed: list[tuple[float, float]] = []  # tokens and height of the labels so far, from the bottom up
    for row in best.sort("revenue").iter_rows(named=True):
        near = [at for tokens, at in placed if 1 / _LABEL_WIDTH < row["tokens"] / tokens < _LABEL_WIDTH]
        height = min([HEIGHT * (1 - row["revenue"] / top), *(at - _LABEL_HEIGHT for at in near)])
        placed.append((row["tokens"], height))
        label = pl.DataFrame({"tokens": [row["tokens"]], "label": [NAMES[row["mechanism"]]]})
        text = alt.Chart(label).mark_text(
            align="left",
            baseline="middle",
            dx=9,
            fontSize=11,
            fontWeight=600,
            color=PALETTE[_STYLES[row["mechanism"]][0]],
        )
        layers.append(text.encode(x=x, y=alt.value(height), text="label:N"))
    return layers
