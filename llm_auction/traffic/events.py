"""The events of the click log as its contract writes them (docs/click-log.md), before anything goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from llm_auction.market import Auction
from llm_auction.traffic.clock import rfc3339

Event = dict[str, Any]


def identity(*parts: str | int) -> str:
    """The id of what `parts` name: a hash, the same whenever the same log is generated."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest()


def answer_event(
    response_id: str,
    time_us: int,
    auction: Auction,
    answer: str,
    logprob: float,
    policy_version: str,
    sampling: Mapping[str, float | int],
) -> Event:
    """An answer was shown to a user."""
    return {
        "schema_version": 1,
        "event": "answer",
        "event_id": identity("answer", response_id),
        "ts": rfc3339(time_us),
        "response_id": response_id,
        "policy_version": policy_version,
        "query_id": auction.query.query_id,
        "query": auction.query.text,
        "user_id": auction.profile.user_id,
        "profile": auction.profile.text,
        "answer": answer,
        "auction": [{"ad_id": ad.ad_id, "bid": bid} for ad, bid in zip(auction.candidates, auction.bids, strict=True)],
        "sampling": dict(sampling),
        "logprob": logprob,
    }


def click_event(response_id: str, ad_id: str, time_us: int, number: int = 0) -> Event:
    """An ad of an answer was clicked; `number` tells several clicks on one ad apart."""
    return {
        "schema_version": 1,
        "event": "click",
        "event_id": identity("click", response_id, ad_id, number),
        "ts": rfc3339(time_us),
        "response_id": response_id,
        "ad_id": ad_id,
    }


def conversion_event(response_id: str, ad_id: str, time_us: int, value: float) -> Event:
    """A click was followed by a purchase of `value` currency units."""
    return {
        "schema_version": 1,
        "event": "conversion",
        "event_id": identity("conversion", response_id, ad_id),
        "ts": rfc3339(time_us),
        "response_id": response_id,
        "ad_id": ad_id,
        "value": value,
    }
