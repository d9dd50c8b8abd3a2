"""The objective of one answer: expected revenue minus the response penalty (arXiv 2512.10551, Eq. 2 and Eq. 5).

    R(x, h, a, b, y) = sum_i b_i * pCTR_i * 1(a_i in y)  -  lambda * s_resp(y)

The paper names what s_resp punishes (the number of inserted ads and format errors) but does not print its formula
(Eq. 8); ours is linear in both and documented here:

    s_resp(y) = ad_weight * (number of inserted ads) + error_weight * (number of format errors)
              + fidelity_weight * (sum of infidelity over the inserted ads)
              + length_weight * (words beyond free_words) + repetition_weight * (share of repeated word triples)

The last three terms are not the paper's, and off by default (`llm_auction.fidelity`, `llm_auction.restraint`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_auction.answers import ParsedAnswer, readable
from llm_auction.fidelity import infidelity
from llm_auction.market import Auction
from llm_auction.profiles.schema import RewardConfig
from llm_auction.restraint import excess_words, repeated_share


@dataclass(frozen=True, slots=True)
class Penalty:
    """lambda * s_resp(y), in the currency of the bids. All weights must be >= 0.

    `ad_weight`: the price of showing one more ad; an ad is worth inserting only if its bid x pCTR exceeds it.
    `error_weight`: the price of one format error.
    `fidelity_weight`: the price of an ad around which nothing is said that the ad says of itself, but what it does not.
    `length_weight`: the price of one word beyond `free_words`.
    `repetition_weight`: the price of an answer that is all repetition.
    """

    lambda_: float = 1.0
    ad_weight: float = 4.0
    error_weight: float = 20.0
    fidelity_weight: float = 0.0
    length_weight: float = 0.0
    free_words: int = 30
    repetition_weight: float = 0.0

    def of(self, auction: Auction, parsed: ParsedAnswer) -> float:
        """lambda * s_resp of one parsed answer."""
        cost = self.ad_weight * len(parsed.inserted_ads) + self.error_weight * parsed.format_errors
        if self.fidelity_weight:
            cost += self.fidelity_weight * sum(infidelity(auction, parsed).values())
        if self.length_weight:
            cost += self.length_weight * excess_words(parsed.text, self.free_words)
        if self.repetition_weight:
            cost += self.repetition_weight * repeated_share(readable(parsed.text))
        return self.lambda_ * cost


def penalty_of(config: RewardConfig) -> Penalty:
    """The response penalty that a profile's section `reward` sets."""
    return Penalty(
        lambda_=config.lambda_,
        ad_weight=config.ad_weight,
        error_weight=config.error_weight,
        fidelity_weight=config.fidelity_weight,
        length_weight=config.length_weight,
        free_words=config.free_words,
        repetition_weight=config.repetition_weight,
    )


def expected_revenue(auction: Auction, click_probabilities: Mapping[str, float]) -> float:
    """sum_i b_i * pCTR_i over the inserted ads, whose click probabilities are given by ad id."""
    return sum(auction.bid_of(ad_id) * probability for ad_id, probability in click_probabilities.items())


def reward(auction: Auction, parsed: ParsedAnswer, click_probabilities: Mapping[str, float], penalty: Penalty) -> float:
    """R of Eq. 5 for one answer.

    Args:
        auction: supplies the bids, or what clicks are worth where that is something else (`llm_auction.click_values`).
        parsed: the answer, as `parse_answer` read it.
        click_probabilities: pCTR by ad id, for exactly the inserted ads.
        penalty: the weights of s_resp.

    Raises:
        ValueError: the probabilities are not those of the inserted ads.
    """
    if set(click_probabilities) != set(parsed.ad_ids):
        raise ValueError(f"click probabilities of {sorted(click_probabilities)} given for ads {sorted(parsed.ad_ids)}")
    return expected_revenue(auction, click_probabilities) - penalty.of(auction, parsed)
