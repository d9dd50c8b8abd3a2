"""The clairvoyant bound as a contender: the best answer that the parametric user allows, without a text.

Its click probabilities, expected revenue and reward are exact. Its clicks, and so its revenue, are drawn under the same
user randomness as every mechanism's, so that all columns compare like with like. It costs nothing to make.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from llm_auction.answers import InsertedAd, ParsedAnswer
from llm_auction.click_values import ClickValues, bids_for_clicks
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA, Bound, Contender, Shown, outcome_row
from llm_auction.market import Auction
from llm_auction.objective import penalty_of
from llm_auction.payments import first_price
from llm_auction.profiles.schema import Profile
from llm_auction.seeds import generator
from llm_auction.users import ParametricUser, clairvoyant_reward

CLAIRVOYANT = Contender("clairvoyant")


def clairvoyant_outcomes(
    auctions: Sequence[Auction],
    user: ParametricUser,
    profile: Profile,
    samples: int,
    values: ClickValues = bids_for_clicks,
) -> pl.DataFrame:
    """`samples` showings of the best answer to each auction, columns as in `OUTCOME_SCHEMA`, `answer` empty.

    It pays first price. At most one ad of a category is ever best, so that the ads' clicks are independent draws.
    """
    penalty = penalty_of(profile.reward)
    rows = []
    for auction, valued in zip(auctions, values(auctions), strict=True):
        best = clairvoyant_reward(auction, user, penalty, valued)
        ads = {ad.ad_id: ad for ad in auction.candidates}
        attention = user.attention(len(best.ad_ids))
        chances = {ad_id: attention * user.appeal(auction, ads[ad_id]) for ad_id in best.ad_ids}
        parsed = ParsedAnswer(tuple(InsertedAd(ad_id, 0, 0) for ad_id in best.ad_ids), 0)
        for sample in range(samples):
            luck = generator(profile.seed, "test-clicks", auction.query.query_id, sample)
            clicked = {ad_id for ad_id, chance in chances.items() if luck.random() < chance}
            shown = Shown(auction, sample, "", first_price(auction, chances), 0, 0, 0, values=valued)
            bound = Bound(best.reward, best.revenue)
            rows.append(outcome_row(CLAIRVOYANT, shown, parsed, chances, clicked, profile, bound))
    return pl.DataFrame(rows, schema=OUTCOME_SCHEMA)
