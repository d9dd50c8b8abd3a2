"""The topics of the bundled world and their category graph.

A topic is a category of ads and of questions. The graph (`related`, symmetric) says which topics serve a neighbouring
need; topics of one `domain` are loosely akin.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: `products` people buy, `needs` they have (each fits after "for"), `tips` worth giving."""

    name: str
    domain: str
    products: tuple[str, ...]
    needs: tuple[str, ...]
    tips: tuple[str, ...]
    related: frozenset[str]


@cache
def topics() -> dict[str, Topic]:
    """All topics of the bundled world by name, in file order."""
    rows = json.loads((files("llm_auction.world") / "topics.json").read_text(encoding="utf-8"))
    return {
        row["name"]: Topic(
            name=row["name"],
            domain=row["domain"],
            products=tuple(row["products"]),
            needs=tuple(row["needs"]),
            tips=tuple(row["tips"]),
            related=frozenset(row["related"]),
        )
        for row in rows
    }


def affinity(category: str, other: str) -> float | None:
    """How near two categories are, in [0, 1]: 1 the same, 0.5 related, 0.2 of one domain, else 0.

    None when either is not a topic of the bundled world, so that callers fall back on text similarity.
    """
    known = topics()
    if category not in known or other not in known:
        return None
    if category == other:
        return 1.0
    if other in known[category].related:
        return 0.5
    return 0.2 if known[category].domain == known[other].domain else 0.0
