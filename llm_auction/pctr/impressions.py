"""An impression: one ad shown in one answer, the row on which pCTR is fitted and predicted."""

from __future__ import annotations

from dataclasses import dataclass

from llm_auction.answers import parse_answer
from llm_auction.market import Ad, Auction


@dataclass(frozen=True, slots=True)
class Impression:
    """One inserted ad of one answer, with all that a serving system knows about it.

    `position` counts the inserted ads from 0 in reading order; `n_ads` is how many the answer holds. `shown` are all
    inserted ads in reading order, this one included: the competitors in the same answer. Left empty, the ad counts as
    the only known one.
    """

    user_id: str
    query: str
    profile: str
    answer: str
    ad: Ad
    position: int
    n_ads: int
    shown: tuple[Ad, ...] = ()


def impressions_of(auction: Auction, answer: str) -> list[Impression]:
    """The impressions of one answer in reading order; empty when it inserts no ad."""
    by_id = {ad.ad_id: ad for ad in auction.candidates}
    shown = tuple(by_id[ad_id] for ad_id in parse_answer(answer, auction.candidates).ad_ids)
    return [
        Impression(
            user_id=auction.profile.user_id,
            query=auction.query.text,
            profile=auction.profile.text,
            answer=answer,
            ad=ad,
            position=position,
            n_ads=len(shown),
            shown=shown,
        )
        for position, ad in enumerate(shown)
    ]
