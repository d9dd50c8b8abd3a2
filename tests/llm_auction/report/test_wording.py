"""How figures are written."""

from __future__ import annotations

import pytest

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.wording import interval, name_of, number


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.14159, "", "3.14"),
        (-2.5, "", "−2.50"),
        (1234.5, "", "1,234"),
        (0.1234, "%", "12.3\u202f%"),
        (-0.05, "points", "−5.0 points"),
        (88.6, "tokens", "89"),
        (20.0, "answers", "20"),
        (2.44, "answers", "2.4"),
        (-0.0001, "points", "0.0 points"),
        (-0.04, "", "−0.04"),
        (None, "", "–"),
    ],
)
def test_number(value: float | None, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_interval() -> None:
    assert interval(Interval(2.0, 1.0, 3.0)) == "1.00–3.00"
    assert interval(Interval(0.0, -1.0, 3.0)) == "−1.00 to 3.00"
    assert interval(Interval(0.2, 0.1, 0.3), "%") == "10.0–30.0\u202f%"
    assert interval(Interval(None, None, None)) == ""


def test_names() -> None:
    assert name_of(Contender("llm_auction", "03")) == "LLM-Auction, iteration 3"
    assert name_of(Contender("mosaic", None, "tau=10")) == "MOSAIC, τ = 10"
    assert name_of(Contender("mosaic", None, "argmax")) == "MOSAIC, argmax"
    assert name_of(Contender("kl_budget", "02")) == "KL budget, iteration 2"
    assert name_of(Contender("no_iteration", "02")) == "No iteration, iteration 2"
