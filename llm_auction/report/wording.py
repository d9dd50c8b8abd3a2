"""How the report writes names and figures."""

from __future__ import annotations

import math
import re

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.charges import ROUNDING
from llm_auction.evaluation.outcomes import Contender

NAMES = {
    "pretrained": "Pretrained",
    "rag_auction": "RAG-Auction",
    "mosaic": "MOSAIC",
    "mosaic_tuned": "MOSAIC on tuned candidates",
    "best_of_n": "Best of N",
    "llm_auction": "LLM-Auction",
    "oracle": "Oracle",
    "clairvoyant": "Clairvoyant bound",
    "slot_auction": "Slot auction",
    "kl_budget": "KL budget",
    "delta_th_0": "Threshold 0",
    "delta_th_20": "Threshold 20",
    "answers_3": "3 answers a query",
    "answers_12": "12 answers a query",
}
MINUS = "\N{MINUS SIGN}"
PERCENT = "\N{NARROW NO-BREAK SPACE}%"
RANGE = "\N{EN DASH}"
MISSING = "\N{EN DASH}"
INFINITE = "\N{INFINITY}"
_NEGATIVE_ZERO = re.compile(r"^-(?=[0.]*(?![0-9.]))")


def name_of(contender: Contender) -> str:
    """The contender as readers know it, such as `LLM-Auction, iteration 3` or `MOSAIC, τ = 10`."""
    name = NAMES.get(contender.mechanism) or contender.mechanism.replace("_", " ").capitalize()
    details = []
    if contender.iteration is not None:
        details.append(f"iteration {int(contender.iteration)}")
    if contender.variant is not None:
        details.append(contender.variant.replace("tau=", "τ = "))
    return ", ".join([name, *details])


def number(value: float | None, unit: str = "") -> str:
    """A figure with the digits it can bear: shares as percent, their differences in points; an en dash for none."""
    if value is None:
        return MISSING
    if unit == "%":
        text = f"{100 * value:.1f}{PERCENT}"
    elif unit == "points":
        text = f"{100 * value:.1f} points"
    elif unit == "s":
        text = f"{value:.3g}"
    elif unit == "answers":
        text = f"{value:,.1f}".removesuffix(".0")
    elif unit in ("words", "tokens", "characters") or abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.2f}"
    return _NEGATIVE_ZERO.sub("", text).replace("-", MINUS)


def shown_exactly(value: float) -> str:
    """A figure of exact arithmetic: what is rounding reads as 0, and a true 0.001 does not."""
    return "0" if abs(value) < ROUNDING else f"{value:.2g}".replace("-", MINUS)


def share_of_worth(value: float) -> str:
    """What is paid of what it is worth, as percent; unbounded where something is paid for nothing."""
    return f"{INFINITE}{PERCENT}" if math.isinf(value) else number(value, "%")


def precise(value: float | None) -> str:
    """A figure of the reward model, whose differences lie in the third digit; an en dash for none."""
    return MISSING if value is None else f"{value:.3f}".replace("-", MINUS)


def interval(figure: Interval, unit: str = "") -> str:
    """`low–high` of a figure, empty when there is none."""
    if figure.low is None or figure.high is None:
        return ""
    joint = " to " if figure.low < 0 else RANGE
    low, high = number(figure.low, unit), number(figure.high, unit)
    return f"{low.removesuffix(PERCENT).removesuffix(' points')}{joint}{high}"


def with_interval(figure: Interval, unit: str = "") -> str:
    """`value (95 % CI low–high)` as running text."""
    if figure.value is None:
        return "undefined"
    if figure.low is None:
        return f"{number(figure.value, unit)} (no interval)"
    return f"{number(figure.value, unit)} (95\N{NARROW NO-BREAK SPACE}% CI {interval(figure, unit)})"
