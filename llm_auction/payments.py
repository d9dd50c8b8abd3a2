"""Who pays what: first price, the payment rule of LLM-Auction (arXiv 2512.10551, section 4.3), and what it leaves.

With a continuous allocation the "second price" degenerates to the first: the smallest bid that still brings an ad its
clicks is the bid itself. So p_i = b_i * itctr_i in expectation, which is charged as b_i for each click. Nobody ever
pays more than the bid for what was delivered: individual rationality (IR) holds click by click.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def charge_clicks(auction: Auction, clicked_ad_ids: Iterable[str]) -> dict[str, float]:
    """What first price charges once clicks have happened: the bid for each click, in currency units.

    Raises:
        KeyError: an ad is not a candidate of the auction.
    """
    charges: dict[str, float] = {}
    for ad_id in clicked_ad_ids:
        charges[ad_id] = charges.get(ad_id, 0.0) + auction.bid_of(ad_id)
    return charges


def advertiser_welfare(auction: Auction, click_probabilities: Mapping[str, float], target_roi: float = 1.0) -> float:
    """What the clicks on one shown answer are worth to all advertisers together: sum_i v_i * ctr_i, currency units.

    A bid says what a click is worth: v_i = target_roi * b_i. With 1 it is the value itself, as a truthful utility
    maximiser bids; a value maximiser bids v_i / tau_i (`value_maximiser_bid`).

    Raises:
        KeyError: an ad is not a candidate of the auction.
    """
    return target_roi * sum(auction.bid_of(ad_id) * chance for ad_id, chance in click_probabilities.items())


def advertiser_utilities(
    values: Mapping[str, float], click_probabilities: Mapping[str, float], payments: Mapping[str, float]
) -> dict[str, float]:
    """u_i = v_i * ctr_i - p_i of utility maximisers, for every ad that is shown or charged.

    Args:
        values: private value per click by ad id.
        click_probabilities: of the shown ads; an ad that isn't shown has no clicks.
        payments: expected payments by ad id, as a mechanism charges them.
    """
    ad_ids = dict.fromkeys([*click_probabilities, *payments])
    return {ad_id: values[ad_id] * click_probabilities.get(ad_id, 0.0) - payments.get(ad_id, 0.0) for ad_id in ad_ids}


def value_maximiser_bid(value: float, target_roi: float) -> float:
    """The truthful bid v_i / tau_i of a value maximiser whose value must be at least `target_roi` times its payment.

    Under first price it is dominant for tau_i >= 1: each click then costs exactly what the target allows.

    Raises:
        ValueError: `value` is negative or `target_roi` below 1.
    """
    if value < 0:
        raise ValueError(f"a value per click must be >= 0, got {value}")
    if target_roi < 1:
        raise ValueError(f"a target ROI must be >= 1, got {target_roi}")
    return value / target_roi
