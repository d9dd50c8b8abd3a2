"""Who pays what: first price, the payment rule of LLM-Auction (arXiv 2512.10551, section 4.3).

With a continuous allocation the "second price" degenerates to the first: the smallest bid that still brings an ad its
clicks is the bid itself. So p_i = b_i * itctr_i in expectation, which is charged as b_i for each click. Nobody ever
pays more than the bid for what was delivered: individual rationality (IR) holds click by click.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan

from llm_auction.market import Auction


def first_price(auction: Auction, click_probabilities: Mapping[str, float]) -> dict[str, float]:
    """Expected first-price payment of each inserted ad for one shown answer: b_i * ctr_i, in currency units.

    Args:
        auction: supplies the bids.
        click_probabilities: by ad id, for the inserted ads; in [0, 1].

    Raises:
        ValueError: a probability is outside [0, 1].
        KeyError: an ad is not a candidate of the auction.
    """
    for ad_id, probability in click_probabilities.items():
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"click probability of ad {ad_id} must be in [0, 1], got {probability}")
    return {ad_id: auction.bid_of(ad_id) * probability for ad_id, probability in click_probabilities.items()}


def expected_bill(auction: Auction, click_probabilities: Mapping[str, float]) -> dict[str, float]:
    """`first_price` of an answer whose clicks may be unknown: a user that is an LLM came to no verdict, all is NaN."""
    if any(map(isnan, click_probabilities.values())):
        return dict.fromkeys(click_probabilities, nan)
    return first_price(auction, click_probabilities)
