"""The auctions that an arm trains on: the market's questions, or those that the click log holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assets.frames import auctions_from_rows, load_ads, load_auctions, load_profiles, load_queries
from assets.logged_feedback import logged_questions
from llm_auction.bidding import draw_bids
from llm_auction.market import Auction
from llm_auction.profiles.schema import Profile
from resources.lake import Lake


def preference_auctions(lake: Lake, profile: Profile, arm: str, iteration: str) -> list[Auction]:
    """The auctions of phase 2, with bids drawn anew: of every training query, or of every logged one."""
    if profile.feedback.source == "users":
        labels, limit = (profile.luck_of(arm), iteration, "preferences"), profile.population.train_queries
        return load_auctions(lake, "train", profile.bidding, profile.seed, *labels, limit=limit)
    ads = load_ads(lake)
    profiles, queries, candidates_of = logged_questions(lake, arm, iteration)
    auctions = []
    for query_id, query in queries.items():
        candidates = tuple(ads[ad_id] for ad_id in candidates_of[query_id] if ad_id in ads)
        bids = draw_bids(query_id, candidates, profile.bidding, profile.seed, arm, iteration, "preferences")
        auctions.append(Auction(query, profiles[query.user_id], candidates, bids))
    return auctions


def saved_auctions(
    lake: Lake, profile: Profile, partition: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> list[Auction]:
    """The auction of each row of the partition's `preference_pairs`."""
    if profile.feedback.source == "users":
        profiles, queries = load_profiles(lake), load_queries(lake)
    else:
        profiles, queries, _ = logged_questions(lake, partition["arm"], partition["iteration"])
    return auctions_from_rows(rows, load_ads(lake), profiles, queries)
