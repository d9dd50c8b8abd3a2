"""The clairvoyant bound: the best reward of one query that the parametric user allows over ad sets and placements.

No answer to the query, whoever writes it, has a higher expected reward (Eq. 5 of arXiv 2512.10551 with the user's own
click probabilities). The maximum is found exactly, without enumerating sets:

1. Nativeness raises every click probability of the ad itself; it is 1 at best, and text exists that gives 1 to every
   inserted ad at once, and says nothing of it that is not its own. (An ad's nativeness can also take attention from its
   competitors; see 2.) Format errors and talk about the insertion only cost.
2. At most one ad of a category is ever best. A category's ads bring sum_i b_i p_i share_i with sum_i share_i = 1: a
   weighted mean of b_i p_i, at most max_i b_i p_i at nativeness 1. Keeping only that ad also leaves fewer ads, thus
   more attention for all and a lower penalty.
3. With one ad a category, an answer of k ads earns attention(k) * sum b_i p_i - penalty(k): for each k <= max_ads the
   k categories of highest b_i p_i are best, and the best k wins. k = 0 earns 0.

Where bids are for conversions, the same holds with what a click is worth in place of the bid: given a click, the chance
of a conversion does not depend on the answer (`llm_auction.users.conversions`).
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_auction.answers import InsertedAd, ParsedAnswer
from llm_auction.market import Auction
from llm_auction.objective import Penalty
from llm_auction.users.parametric import ParametricUser, competition_group


@dataclass(frozen=True, slots=True)
class ClairvoyantOutcome:
    """The best expected reward of a query, the expected revenue it comes with, and the inserted ads (best first)."""

    reward: float
    revenue: float
    ad_ids: tuple[str, ...]


def clairvoyant_reward(
    auction: Auction, user: ParametricUser, penalty: Penalty, values: Auction | None = None
) -> ClairvoyantOutcome:
    """The exact maximum of the expected reward over all answers to one auction.

    Ties go to fewer ads, and within a category to the earlier candidate. `values` is the auction with what clicks are
    worth in place of bids, where that is something else; revenue is in bids all the same.
    """
    best_of_group: dict[str, tuple[float, float, str]] = {}
    for ad, bid, worth in zip(auction.candidates, auction.bids, (values or auction).bids, strict=True):
        appeal = user.appeal(auction, ad)
        value = worth * appeal
        group = competition_group(ad)
        if group not in best_of_group or value > best_of_group[group][0]:
            best_of_group[group] = (value, bid * appeal, ad.ad_id)
    ranked = sorted(best_of_group.values(), key=lambda entry: -entry[0])

    best = ClairvoyantOutcome(reward=0.0, revenue=0.0, ad_ids=())
    total = paid = 0.0
    for count, (value, bid_value, _) in enumerate(ranked[: user.parameters.max_ads], start=1):
        total += value
        paid += bid_value
        earned = user.attention(count) * total
        ad_ids = tuple(ad_id for *_, ad_id in ranked[:count])
        cost = penalty.of(auction, ParsedAnswer(tuple(InsertedAd(ad_id, 0, 0) for ad_id in ad_ids), 0))
        if earned - cost > best.reward:
            best = ClairvoyantOutcome(earned - cost, user.attention(count) * paid, ad_ids)
    return best
