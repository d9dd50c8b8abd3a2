"""The market of one answer: ads, users, queries, and the auction that brings them together.

Notation of the paper (arXiv 2512.10551, section 3): query x, profile h, candidate ads a = (a_1..a_n) and bids
b = (b_1..b_n).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Ad:
    """One ad of the catalog (a_i): fixed content that an answer may link to.

    `ad_id` is the catalog's own id, unique and without the `Ad-` prefix under which answers and prompts show it.
    `title` can be written in the ad format: it holds no `@`, `[`, `]` and no line break. `bid_low` and `bid_high`
    (inclusive, currency units per click) bound the bids drawn for the ad; None leaves that to the profile.
    """

    ad_id: str
    title: str
    category: str
    description: str = ""
    advertiser: str = ""
    bid_low: int | None = None
    bid_high: int | None = None


@dataclass(frozen=True, slots=True)
class UserProfile:
    """Who asks (h): an id, basic information and interests, and the one sentence in which prompts present them."""

    user_id: str
    text: str
    interests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What a user asks (x). `category` is the topic where the generator knows it, None for queries from a file."""

    query_id: str
    user_id: str
    text: str
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Auction:
    """One auction: (query, profile, candidates, bids). `bids[i]` is what `candidates[i]` offers per click, >= 0.

    Drawn bids are whole numbers.
    """

    query: Query
    profile: UserProfile
    candidates: tuple[Ad, ...]
    bids: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.candidates) != len(self.bids):
            raise ValueError(
                f"auction of query {self.query.query_id}: {len(self.candidates)} candidates but {len(self.bids)} bids"
            )
        if any(bid < 0 for bid in self.bids):
            raise ValueError(f"auction of query {self.query.query_id}: bids must be >= 0, got {min(self.bids)}")

    def bid_of(self, ad_id: str) -> float:
        """The bid of a candidate ad; KeyError when the ad is not a candidate."""
        for ad, bid in zip(self.candidates, self.bids, strict=True):
            if ad.ad_id == ad_id:
                return bid
        raise KeyError(ad_id)

    def only(self, places: Iterable[int]) -> Auction:
        """The auction among the candidates at `places` alone, in the order that they have; there may be none."""
        kept = sorted(places)
        return replace(
            self,
            candidates=tuple(self.candidates[place] for place in kept),
            bids=tuple(self.bids[place] for place in kept),
        )
