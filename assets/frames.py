"""Between the lake's rows and the domain's objects: ads, profiles, queries and auctions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Literal

import polars as pl

from llm_auction.bidding import draw_bids
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.profiles.schema import BiddingConfig
from resources.lake import Lake

AD_SCHEMA = {
    "ad_id": pl.String,
    "title": pl.String,
    "category": pl.String,
    "description": pl.String,
    "advertiser": pl.String,
    "bid_low": pl.Int64,
    "bid_high": pl.Int64,
}


def ads_to_frame(ads: Iterable[Ad]) -> pl.DataFrame:
    """One row an ad, in the columns of the table `ad_catalog`."""
    return pl.DataFrame([{name: getattr(ad, name) for name in AD_SCHEMA} for ad in ads], schema=AD_SCHEMA)


def ads_from_frame(frame: pl.DataFrame) -> list[Ad]:
    """The ads of the table `ad_catalog`, in row order."""
    return [Ad(**row) for row in frame.select(list(AD_SCHEMA)).iter_rows(named=True)]


def load_ads(lake: Lake) -> dict[str, Ad]:
    """The catalog by ad id, in catalog order."""
    return {ad.ad_id: ad for ad in ads_from_frame(lake.read("ad_catalog"))}


def load_profiles(lake: Lake) -> dict[str, UserProfile]:
    """The user profiles by user id."""
    rows = lake.read("user_profiles").iter_rows(named=True)
    return {row["user_id"]: UserProfile(row["user_id"], row["text"], tuple(row["interests"])) for row in rows}


def load_queries(lake: Lake, split: Literal["train", "test"] | None = None) -> dict[str, Query]:
    """The queries of one split, or of both, by query id, in table order."""
    frame = lake.read("user_queries")
    if split is not None:
        frame = frame.filter(pl.col("split") == split)
    return {
        row["query_id"]: Query(row["query_id"], row["user_id"], row["text"], row["category"])
        for row in frame.iter_rows(named=True)
    }


def load_auctions(
    lake: Lake,
    split: Literal["train", "test"],
    bidding: BiddingConfig,
    seed: int,
    *labels: str | int,
    limit: int | None = None,
) -> list[Auction]:
    """The auctions of one split in table order, at most the first `limit`, with bids drawn for it.

    `labels` name the draw, as in `draw_bids`: (arm, iteration, "feedback") or (arm, iteration, "preferences") in the
    loop, ("test",) in the evaluation, so that all mechanisms meet the same test bids.

    Raises:
        ValueError: a query has no candidates yet.
    """
    ads, profiles, queries = load_ads(lake), load_profiles(lake), load_queries(lake, split)
    candidates_of = dict(lake.read("ad_candidates").select("query_id", "ad_ids").iter_rows())
    auctions = []
    for query in islice(queries.values(), limit):
        if query.query_id not in candidates_of:
            raise ValueError(f"query {query.query_id} has no row in ad_candidates: materialize ad_candidates again")
        candidates = tuple(ads[ad_id] for ad_id in candidates_of[query.query_id])
        bids = draw_bids(query.query_id, candidates, bidding, seed, *labels)
        auctions.append(Auction(query, profiles[query.user_id], candidates, bids))
    return auctions


def auctions_from_rows(
    rows: Iterable[Mapping[str, object]],
    ads: Mapping[str, Ad],
    profiles: Mapping[str, UserProfile],
    queries: Mapping[str, Query],
) -> list[Auction]:
    """The auction of each row that holds query_id, candidate_ad_ids and bids (`ad_responses`, `preference_pairs`)."""
    auctions = []
    for row in rows:
        query = queries[str(row["query_id"])]
        candidates = tuple(ads[ad_id] for ad_id in row["candidate_ad_ids"])  # type: ignore[attr-defined]
        auctions.append(Auction(query, profiles[query.user_id], candidates, tuple(row["bids"])))  # type: ignore[arg-type]
    return auctions
