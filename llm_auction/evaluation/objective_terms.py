"""What objectives beyond clicks look at, of every answer that a mechanism gave, and each objective's own value.

Arms of `llm_auction.profiles.arms.OBJECTIVES` are trained for something else than clicks alone. All answers of all
mechanisms are scored under each of those objectives, with the users' own probabilities, so that what an arm gains by
its objective stands beside what it costs in revenue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import polars as pl

from llm_auction.answers import parse_answer, readable
from llm_auction.click_values import per_click
from llm_auction.evaluation.quality import KEYS
from llm_auction.fidelity import infidelity
from llm_auction.market import Ad, Auction
from llm_auction.objective import penalty_of, reward
from llm_auction.profiles.arms import OBJECTIVES
from llm_auction.profiles.schema import Profile
from llm_auction.restraint import excess_words, repeated_share
from llm_auction.users.conversions import ParametricBuyer

# An ad counts as unfaithful when more than half of what is said of it is not its own.
MOSTLY = 0.5
OBJECTIVE_SCHEMA: dict[str, pl.DataType] = {
    "mechanism": pl.String(),
    "iteration": pl.String(),
    "variant": pl.String(),
    "query_id": pl.String(),
    "sample_index": pl.Int64(),
    "conversions": pl.Float64(),
    "infidelity": pl.Float64(),
    "unfaithful_ads": pl.Float64(),
    "words": pl.Float64(),
    "repetition": pl.Float64(),
    "drift": pl.Float64(),
    **{f"objective_{arm}": pl.Float64() for arm in OBJECTIVES},
}


def objective_terms(
    outcomes: pl.DataFrame, auctions: Mapping[str, Auction], profile: Profile, buyer: ParametricBuyer | None
) -> pl.DataFrame:
    """Every term of every answer, columns as in `OBJECTIVE_SCHEMA`; null where clicks or conversions are not known, for
    the fidelity of an answer without ads, and for `drift`, which takes the models (`with_drift`).

    Args:
        outcomes: rows as in `OUTCOME_SCHEMA`.
        auctions: the test auctions by query id, with all candidates.
        profile: its arms say what the objectives are.
        buyer: pCVR; None where users are not parametric.

    Raises:
        ValueError: an outcome names a query or a candidate that the auctions don't have.
    """
    arms = OBJECTIVES if buyer else tuple(arm for arm in OBJECTIVES if arm != "conversions")
    objectives = {arm: profile.of_arm(arm).reward for arm in arms}
    penalties = {arm: penalty_of(config) for arm, config in objectives.items()}
    rates: dict[str, dict[str, float]] = {}
    rows = []
    columns = (*KEYS, "answer", "candidate_ad_ids", "bids", "inserted_ad_ids", "click_probabilities")
    for row in outcomes.select(columns).iter_rows(named=True):
        auction = auction_of(row, auctions)
        if buyer and row["query_id"] not in rates:
            whole = auctions[row["query_id"]]
            rates[row["query_id"]] = {ad.ad_id: buyer.probability(whole, ad) for ad in whole.candidates}
        of_query = rates.get(row["query_id"], {})
        clicks = dict(zip(row["inserted_ad_ids"], row["click_probabilities"], strict=True))
        judged = None not in clicks.values()
        parsed = parse_answer(row["answer"], auction.candidates)
        unfaithful = infidelity(auction, parsed)
        terms: dict[str, float | None] = {
            "infidelity": fmean(unfaithful.values()) if unfaithful else None,
            "unfaithful_ads": fmean(one > MOSTLY for one in unfaithful.values()) if unfaithful else None,
            "words": float(excess_words(row["answer"], 0)),
            "repetition": repeated_share(readable(row["answer"])),
        }
        if buyer and judged:
            terms["conversions"] = sum(chance * of_query[ad_id] for ad_id, chance in clicks.items())
        for arm, config in objectives.items() if judged else ():
            valued = auction
            if config.bids_on == "conversions":
                valued = per_click(auction, of_query, config.conversion_worth)
            terms[f"objective_{arm}"] = reward(valued, parsed, clicks, penalties[arm])
        rows.append({**{key: row[key] for key in KEYS}, **terms})
    return pl.DataFrame(rows, schema=OBJECTIVE_SCHEMA)


def with_drift(terms: pl.DataFrame, policy: Sequence[float], pretrained: Sequence[float]) -> pl.DataFrame:
    """The terms with `drift`: log pi(y) - log pi_0(y) of each answer, nats.

    Not the KL(pi || pi_0) of Eq. 2: that is its mean over answers of pi itself, and these are drawn as they are served,
    at another temperature and truncated.

    Args:
        terms: of one model's answers.
        policy, pretrained: log-probabilities of the same answers at temperature 1, in their order.
    """
    drift = [own - before for own, before in zip(policy, pretrained, strict=True)]
    return terms.with_columns(drift=pl.Series(drift, dtype=pl.Float64))


def auction_of(outcome: Mapping[str, Any], auctions: Mapping[str, Auction]) -> Auction:
    """The auction of an outcome: with a reserve price it has fewer candidates than the query.

    Raises:
        ValueError: the query or a candidate is not among the auctions.
    """
    whole = auctions.get(outcome["query_id"])
    ads: dict[str, Ad] = {} if whole is None else {ad.ad_id: ad for ad in whole.candidates}
    missing = [ad_id for ad_id in outcome["candidate_ad_ids"] if ad_id not in ads]
    if whole is None or missing:
        raise ValueError(
            f"mechanism_outcomes of query {outcome['query_id']} don't fit today's test queries and candidates: "
            "materialize mechanism_outcomes again"
        )
    candidates = tuple(ads[ad_id] for ad_id in outcome["candidate_ad_ids"])
    return replace(whole, candidates=candidates, bids=tuple(outcome["bids"]))
