"""The colours of the plots. In the page each is a CSS variable, so that one drawing serves light, dark and print.

The series colours differ in lightness as well as hue and are paired with marker shapes, so that they can be told apart
without colour vision.
"""

from __future__ import annotations

PALETTE = {
    "ink": "#1c2024",
    "muted": "#5c6670",
    "grid": "#e4e8ec",
    "surface": "#fefefe",
    "llm-auction": "#0a5fc2",
    "oracle": "#8a3ab9",
    "mosaic": "#b3541e",
    "rag-auction": "#8a6d00",
    "pretrained": "#6b7680",
    "clairvoyant": "#117a5b",
}
SERIES = {"llm_auction": "llm-auction", "oracle": "oracle"}
SHAPES = {"llm_auction": "circle", "oracle": "diamond"}


def as_variables(svg: str) -> str:
    """Replace every palette colour of a drawing by its CSS variable, with the colour itself as fallback."""
    for name, colour in PALETTE.items():
        svg = svg.replace(f'"{colour}"', f'"var(--chart-{name}, {colour})"')
    return svg
