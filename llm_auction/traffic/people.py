"""What people do after they have read an answer: they click, at once or much later, and some of them buy.

Clicks are drawn from the user model. Most come within a minute; `RETURNS` of them hours or days later, within the
attribution window, so that many join answers of an earlier day. Conversions follow their click by hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_auction.market import Auction
from llm_auction.traffic.clock import DAY, HOUR, MINUTE, SECOND
from llm_auction.users import ParametricUser

LEAST_READING = 2.0  # seconds; nobody reads and clicks faster
MEDIAN_READING, READING_SPREAD = 10.0, 0.9  # lognormal: seconds, standard deviation of the logarithm
LONGEST_READING = 600.0
RETURNS = 0.04
MEDIAN_PURCHASE, PURCHASE_SPREAD = 3 * HOUR, 1.2  # after the click
LONGEST_PURCHASE = 20 * DAY
MEDIAN_VALUE, VALUE_SPREAD = 30.0, 0.8  # currency units


@dataclass(frozen=True, slots=True)
class Click:
    """A click on an inserted ad: after how long (microseconds), and the conversion that follows, if any."""

    ad_id: str
    after_us: int
    conversion: Conversion | None


@dataclass(frozen=True, slots=True)
class Conversion:
    """A purchase: how long after the answer (microseconds), and its value in currency units."""

    after_us: int
    value: float


def react(
    auction: Auction,
    answer: str,
    user: ParametricUser,
    rng: np.random.Generator,
    *,
    attribution_hours: float,
    conversion_rate: float,
) -> list[Click]:
    """The clicks of one person on the ads of one answer, in reading order."""
    return [
        _click(judgement.ad_id, rng, attribution_hours, conversion_rate)
        for judgement in user.judge(auction, answer, rng)
        if judgement.clicked
    ]


def _click(ad_id: str, rng: np.random.Generator, attribution_hours: float, conversion_rate: float) -> Click:
    returns, converts = rng.random(2)
    if returns < RETURNS:
        # Well inside the window, so that a skewed clock does not carry the click out of it.
        after = int(HOUR * (attribution_hours - 1.0) * rng.random()) + HOUR // 2
    else:
        reading = min(LEAST_READING + rng.lognormal(np.log(MEDIAN_READING), READING_SPREAD), LONGEST_READING)
        after = int(reading * SECOND)
    if converts >= conversion_rate:
        return Click(ad_id, after, None)
    purchase = min(int(rng.lognormal(np.log(MEDIAN_PURCHASE), PURCHASE_SPREAD)), LONGEST_PURCHASE)
    value = round(float(rng.lognormal(np.log(MEDIAN_VALUE), VALUE_SPREAD)), 2)
    return Click(ad_id, after, Conversion(after + 5 * MINUTE + purchase, value))
