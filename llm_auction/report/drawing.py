"""From charts to PNG files and to SVG that stands in the page: no script, no request, colours as CSS variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from llm_auction.report.palette import PALETTE, as_variables

if TYPE_CHECKING:
    import altair as alt

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_CONFIG = {
    "background": PALETTE["surface"],
    "font": FONT,
    # One description stands on the figure; a label on every mark would be noise to a screen reader.
    "aria": False,
    "view": {"stroke": None},
    "title": {
        "color": PALETTE["ink"],
        "anchor": "start",
        "fontSize": 14,
        "offset": 12,
        "subtitleColor": PALETTE["muted"],
        "subtitleFont": FONT,
        "subtitleFontSize": 12,
    },
    "axis": {
        "labelColor": PALETTE["muted"],
        "titleColor": PALETTE["muted"],
        "gridColor": PALETTE["grid"],
        "domainColor": PALETTE["muted"],
        "tickColor": PALETTE["muted"],
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
}
_ID = re.compile(r'\bid="([^"]+)"')


def specification(chart: alt.LayerChart) -> dict[str, Any]:
    """The chart as Vega-Lite, in the look of the report."""
    # Altair would check every layer against its schema, which takes seconds; a wrong chart fails when it is drawn.
    return {**chart.to_dict(validate=False), "config": _CONFIG}


def png(drawing: Mapping[str, Any], title: str, legend: str, scale: float = 2.0) -> bytes:
    """A specification as a PNG on a light ground, with its title and legend (may be empty), as it stands alone."""
    import vl_convert

    return bytes(
        vl_convert.vegalite_to_png(json.dumps({**drawing, "title": {"text": title, "subtitle": legend}}), scale=scale)
    )


def inline_svg(drawing: Mapping[str, Any], name: str) -> Markup:
    """A specification as SVG for the page.

    Ids are prefixed by `name`, as all drawings share one document. All text in it was escaped by the renderer.
    """
    import vl_convert

    svg = as_variables(vl_convert.vegalite_to_svg(json.dumps(drawing)))
    for one in set(_ID.findall(svg)):
        svg = svg.replace(f'id="{one}"', f'id="{name}-{one}"').replace(f"#{one})", f"#{name}-{one})")
    return Markup(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))
