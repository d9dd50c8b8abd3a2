"""Bids for conversions: what a click is worth where it may be followed by a conversion.

An advertiser that bids b_i per click may as well bid w * b_i per conversion, with w the clicks that one conversion
takes on average. A click on ad i is then worth b_i * w * pCVR_i, and the value of an answer becomes bid x pCTR x pCVR
(arXiv 2512.10551, section 3, names CVR beside CTR). In terms of clicks that is an auction with other bids, so that
reward, allocation and bound need to know nothing of conversions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from llm_auction.market import Auction
from llm_auction.pctr.impressions import Impression
from llm_auction.users.conversions import ParametricBuyer

# pCVR of every candidate of an auction, by ad id.
ConversionEstimator = Callable[[Sequence[Auction]], list[dict[str, float]]]
# The auctions with their bids turned into what a click is worth.
ClickValues = Callable[[Sequence[Auction]], list[Auction]]


class ConversionModel(Protocol):
    """What is needed of a reward model with a conversion head (`llm_auction.pctr.conversions`)."""

    def predict_conversions(self, impressions: Sequence[Impression]) -> np.ndarray: ...


def bids_for_clicks(auctions: Sequence[Auction]) -> list[Auction]:
    """A click is worth its bid: the objective of the paper."""
    return list(auctions)


def bids_for_conversions(estimate: ConversionEstimator, worth: float) -> ClickValues:
    """A click is worth bid x `worth` x pCVR."""

    def values(auctions: Sequence[Auction]) -> list[Auction]:
        rates = estimate(auctions)
        return [per_click(auction, of_auction, worth) for auction, of_auction in zip(auctions, rates, strict=True)]

    return values


def per_click(auction: Auction, conversion_rates: Mapping[str, float], worth: float) -> Auction:
    """The auction with what a click is worth in place of each bid.

    Args:
        auction: `worth` x its bids are per conversion.
        conversion_rates: pCVR by ad id, of every candidate.
        worth: of a conversion, in bids.

    Raises:
        ValueError: a rate is outside [0, 1].
        KeyError: a candidate has no rate.
    """
    rates = [conversion_rates[ad.ad_id] for ad in auction.candidates]
    if any(not 0.0 <= rate <= 1.0 for rate in rates):
        raise ValueError(f"auction of query {auction.query.query_id}: conversion rates must be in [0, 1]")
    return replace(
        auction, bids=tuple(float(bid * worth * rate) for bid, rate in zip(auction.bids, rates, strict=True))
    )


def conversions_from_pctr(model: ConversionModel) -> ConversionEstimator:
    """pCVR as the reward model's conversion head predicts it, all candidates in one batch."""

    def estimate(auctions: Sequence[Auction]) -> list[dict[str, float]]:
        flat = [
            Impression(auction.profile.user_id, auction.query.text, auction.profile.text, "", ad, 0, 1)
            for auction in auctions
            for ad in auction.candidates
        ]
        predicted = iter(model.predict_conversions(flat).tolist() if flat else [])
        return [{ad.ad_id: next(predicted) for ad in auction.candidates} for auction in auctions]

    return estimate


def conversions_from_buyer(buyer: ParametricBuyer) -> ConversionEstimator:
    """The simulated buyer's own probabilities."""

    def estimate(auctions: Sequence[Auction]) -> list[dict[str, float]]:
        return [{ad.ad_id: buyer.probability(auction, ad) for ad in auction.candidates} for auction in auctions]

    return estimate
