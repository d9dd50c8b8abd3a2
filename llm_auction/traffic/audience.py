"""The people and the ads behind a log: those of a profile's market, so that a log fits the catalog of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.candidates import find_candidates
from llm_auction.catalog import load_catalog
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.population import generate_population, market_topics, read_queries
from llm_auction.profiles.schema import BiddingConfig, Profile


@dataclass(frozen=True, slots=True)
class Audience:
    """Who asks what, and which ads compete.

    Attributes:
        ads: the catalog.
        users: everybody who may ask.
        queries_of: by user id, the questions that this person asks again and again.
        candidates_of: by query id, the candidate ads in prompt order.
        relevance_of: by query id, their relevance in the same order.
    """

    ads: tuple[Ad, ...]
    users: tuple[UserProfile, ...]
    queries_of: Mapping[str, tuple[Query, ...]]
    candidates_of: Mapping[str, tuple[Ad, ...]]
    relevance_of: Mapping[str, tuple[float, ...]]

    @property
    def categories(self) -> list[str]:
        return [ad.category for ad in self.ads]

    def auctions(self, users: Sequence[UserProfile], bidding: BiddingConfig, rng: np.random.Generator) -> list[Auction]:
        """One auction for each user who asks: one of their questions, under fresh bids."""
        asked = [self._question_of(user, rng) for user in users]
        candidates = [self.candidates_of[query.query_id] for query in asked]
        flat = [ad for of_query in candidates for ad in of_query]
        low = [bidding.low if ad.bid_low is None else ad.bid_low for ad in flat]
        high = [bidding.high if ad.bid_high is None else ad.bid_high for ad in flat]
        bids = iter(rng.integers(low, high, endpoint=True).tolist())
        return [
            Auction(query, user, of_query, tuple(next(bids) for _ in of_query))
            for user, query, of_query in zip(users, asked, candidates, strict=True)
        ]

    def _question_of(self, user: UserProfile, rng: np.random.Generator) -> Query:
        queries = self.queries_of[user.user_id]
        return queries[int(rng.random() * len(queries))]


def make_audience(profile: Profile, users: int | None = None) -> Audience:
    """The audience of a profile's market: its catalog, population and candidates, as the assets of the group market
    make them from the same profile and seed. `users` takes the place of `population.profiles`.

    Raises:
        CatalogError, QueryFileError: the profile's catalog or queries can't be used.
    """
    ads = load_catalog(profile.catalog).ads
    topics = market_topics(ads)
    population_config = profile.population
    if users is not None:
        population_config = population_config.model_copy(update={"profiles": users})
    if population_config.queries_source is None:
        population = generate_population(population_config, topics, profile.seed)
    else:
        population = read_queries(population_config, topics, profile.seed)
    queries_of: dict[str, list[Query]] = {}
    for query in population.queries:
        queries_of.setdefault(query.user_id, []).append(query)
    by_id = {ad.ad_id: ad for ad in ads}
    found = find_candidates(population.queries, ads, profile.candidates, profile.seed)
    return Audience(
        ads=ads,
        users=tuple(user for user in population.profiles if user.user_id in queries_of),
        queries_of={user_id: tuple(queries) for user_id, queries in queries_of.items()},
        candidates_of={one.query_id: tuple(by_id[ad_id] for ad_id in one.ad_ids) for one in found},
        relevance_of={one.query_id: one.relevance for one in found},
    )
