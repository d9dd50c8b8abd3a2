"""What may follow a click: a purchase, seldom and later. An option beside the click model, which it never touches.

Given a click on ad i of a query and a profile, the chance of a conversion is

    pCVR_i = sigmoid(intercept + query_weight * rel(query, i) + profile_weight * rel(profile, i)
                     + offer_spread * offer(i))

with rel as the click model has it, and offer(i) a standard normal number that belongs to the ad alone: what waits
behind the link, which no answer shows and no click tells. How the ad was woven in matters no more once it is clicked,
so pCVR does not depend on the answer. The conversion follows the click by a lognormal delay.

The paper's objective names the conversion rate beside the click rate (arXiv 2512.10551, section 3) and leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import numpy as np

from llm_auction.market import Ad, Auction
from llm_auction.seeds import generator
from llm_auction.users.parameters import LARGEST
from llm_auction.users.relevance import Relevance


@dataclass(frozen=True, slots=True)
class ConversionParameters:
    """How often and how late clicks convert, fixed before any mechanism was tuned.

    A clicked ad that answers the question and suits the person converts with probability 0.27 behind a middling offer,
    one that does neither with 0.03. Half of the conversions come within 45 minutes of the click, 5 % after more than
    5 hours.

    Raises:
        ValueError: a value out of range; the message names the field.
    """

    intercept: float = -3.5
    query_weight: float = 1.0
    profile_weight: float = 1.5
    offer_spread: float = 0.9
    median_delay_hours: float = 0.75
    delay_spread: float = 1.15

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not abs(value) <= LARGEST:
                raise ValueError(f"conversion parameter {field.name} must lie within +-{LARGEST:g}, got {value}")
            if field.name != "intercept" and value < 0:
                raise ValueError(f"conversion parameter {field.name} must be >= 0, got {value}")


@dataclass(frozen=True, slots=True)
class Conversion:
    """A purchase of what an ad offers, `after_hours` after the click on it."""

    ad_id: str
    after_hours: float


class ParametricBuyer:
    """The conversions of the parametric user.

    Args:
        ads: the catalog; text similarity, where categories are not known topics, is fitted on it.
        parameters: how strongly each criterion counts.
    """

    def __init__(self, ads: Sequence[Ad], parameters: ConversionParameters | None = None) -> None:
        self.parameters = parameters or ConversionParameters()
        self._relevance = Relevance(ads)

    def probability(self, auction: Auction, ad: Ad) -> float:
        """pCVR_i: the chance of a conversion, given a click on the ad."""
        parameters = self.parameters
        logit = (
            parameters.intercept
            + parameters.query_weight * self._relevance.to_query(auction.query, ad)
            + parameters.profile_weight * self._relevance.to_profile(auction.profile, ad)
            + parameters.offer_spread * offer(ad)
        )
        return float(1.0 / (1.0 + math.exp(-logit)))

    def convert(self, auction: Auction, clicked_ad_ids: Collection[str], rng: np.random.Generator) -> list[Conversion]:
        """Draw what follows the clicks on one shown answer: at most one conversion a click."""
        ads = {ad.ad_id: ad for ad in auction.candidates}
        found = []
        for ad_id in clicked_ad_ids:
            # Both numbers are always drawn, so that no ad's luck depends on another's.
            chance, delay = rng.random(), rng.lognormal(0.0, self.parameters.delay_spread)
            if chance < self.probability(auction, ads[ad_id]):
                found.append(Conversion(ad_id, self.parameters.median_delay_hours * float(delay)))
        return found


def offer(ad: Ad) -> float:
    """How good the offer behind an ad is: one standard normal number an ad id, the same in every run."""
    return float(generator(0, "offer", ad.ad_id).standard_normal())
