"""Curves over the bid, drawn alike in every plot: one line a model, later iterations stronger, labels at their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.palette import PALETTE
from llm_auction.report.wording import NAMES

if TYPE_CHECKING:
    import altair as alt

# With the labels at their right, curves are about as wide as a phone shows them, so that text stays readable there.
WIDTH, HEIGHT = 262, 230
# Fonts differ in width from one reader to the next, so labels at the edge get room to grow.
PADDING = {"left": 5, "top": 5, "right": 26, "bottom": 5}
_LABEL_HEIGHT = 14


def line_label(contender: Contender) -> str:
    """What stands at the end of a line: the iteration of a trained model, the name of any other mechanism."""
    return f"Iteration {int(contender.iteration)}" if contender.iteration is not None else NAMES[contender.mechanism]


def line_colour(contender: Contender) -> str:
    return PALETTE[contender.mechanism.replace("_", "-")]


def bid_axis() -> alt.X:
    """From 0 to a round number above the greatest bid that is drawn."""
    import altair as alt

    return alt.X(
        "bid:Q",
        title="Bid of the ad",
        scale=alt.Scale(zero=True, nice=True),
        axis=alt.Axis(grid=False, tickCount=5),
    )


def itctr_axis(top: float) -> alt.Y:
    """From 0 to `top`, the highest point drawn; a fixed scale, so that labels can be placed on it."""
    import altair as alt

    scale = alt.Scale(domain=[0, top or 1.0], nice=False)
    return alt.Y("itctr:Q", title=None, scale=scale, axis=alt.Axis(format=".0%", tickCount=5))


def in_frame(layers: Sequence[alt.Chart]) -> alt.LayerChart:
    """The layers over one another, in the size of all curves."""
    import altair as alt

    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, padding=PADDING)


def model_lines(curves: Mapping[Contender, pl.DataFrame], top: float) -> list[alt.Chart]:
    """One line a contender over its points (columns `bid`, `itctr`), in their order.

    The last iteration is the strongest; mechanisms that are no Ad-LLM are dashed.
    """
    import altair as alt

    iterations = [int(one.iteration) for one in curves if one.iteration is not None]
    layers = []
    for contender, points in curves.items():
        strength = 1.0 if contender.iteration is None else 0.35 + 0.65 * int(contender.iteration) / max(iterations)
        dash = {} if contender.mechanism in ("pretrained", "llm_auction") else {"strokeDash": [6, 3]}
        line = alt.Chart(points).mark_line(strokeWidth=2, color=line_colour(contender), opacity=strength, **dash)
        layers.append(line.encode(x=bid_axis(), y=itctr_axis(top)))
    return layers


def end_labels(ends: Sequence[tuple[str, float, str]], top: float) -> list[alt.Chart]:
    """Labels at the right of the lines' ends, moved apart where they would cover one another.

    Args:
        ends: label, value at the end of its line, colour.
        top: as for `itctr_axis`.
    """
    import altair as alt

    layers, highest_free = [], float(HEIGHT)
    # From the bottom up; a label that has no room above the one before moves up.
    for label, value, colour in sorted(ends, key=lambda end: end[1]):
        y = min(HEIGHT * (1 - value / (top or 1.0)), highest_free)
        text = alt.Chart(pl.DataFrame({"label": [label]})).mark_text(
            align="left", baseline="middle", dx=6, fontSize=11, fontWeight=600, color=colour
        )
        layers.append(text.encode(x=alt.value(WIDTH), y=alt.value(y), text="label:N"))
        highest_free = y - _LABEL_HEIGHT
    return layers
