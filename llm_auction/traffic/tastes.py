"""Drift: what people like moves from day to day, so that a reward model of last month is wrong today."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from llm_auction.seeds import generator


def tastes_on(day: date, since: date, categories: Iterable[str], drift: float, seed: int) -> dict[str, float]:
    """How much each category is in fashion on a day: a logit to add to the appeal of its ads (`ParametricUser`).

    A random walk of normal steps, one a day, of standard deviation `drift`, from 0 on the day `since`; each category
    walks by itself.
    """
    steps = (day - since).days
    return {
        category: drift * float(generator(seed, "tastes", category).normal(size=max(steps, 0)).sum())
        for category in sorted(set(categories))
    }
