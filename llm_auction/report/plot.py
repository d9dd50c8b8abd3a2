"""One plot of the report, as it is handed from those who draw to those who show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: `name` is its file name, `title` and `note` (may be empty) go beside it, `summary` says it in words.

    `drawing` is its Vega-Lite specification; `legend` says what its marks stand for, where it doesn't itself.
    """

    name: str
    title: str
    note: str
    summary: str
    drawing: Mapping[str, Any]
    legend: str = ""
