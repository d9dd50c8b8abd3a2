"""The rows of raw feedback: answers that were shown, what users did with them, and what they bought then.

Times are of a synthetic clock, so that the same seed gives the same tables: iteration t is the t-th day from
`FIRST_DAY`, its answers are spread evenly over that day in table order, and a judgement follows its answer after
`5 + 5 * position` seconds; a conversion follows its click after hours. Event ids are hashes of what the event is about:
a re-run gives the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from llm_auction.answers import parse_answer
from llm_auction.generation.protocol import GeneratedAnswer
from llm_auction.market import Auction
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.seeds import generator
from llm_auction.users.conversions import ParametricBuyer
from llm_auction.users.protocol import UserModel

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Columns:
    """A table's columns: name -> (type, description)."""

    columns: Mapping[str, tuple[Any, str]]

    @property
    def schema(self) -> dict[str, Any]:
        return {name: dtype for name, (dtype, _) in self.columns.items()}

    @property
    def descriptions(self) -> dict[str, str]:
        return {name: text for name, (_, text) in self.columns.items()}


RESPONSE_COLUMNS = Columns(
    {
        "event_id": (pl.String, "Identity of the event; the same when the partition is materialized again."),
        "ts": (_TIME, "When the answer was shown (synthetic clock, UTC)."),
        "response_id": (pl.String, "Identity of the answer."),
        "policy_version": (pl.String, "Content hash of the model that wrote it."),
        "arm": (pl.String, "Arm of the experiment."),
        "iteration": (pl.String, "Iteration, zero-padded."),
        "query_id": (pl.String, "Query."),
        "query": (pl.String, "Its text."),
        "user_id": (pl.String, "User."),
        "profile": (pl.String, "The user's profile as prompts show it."),
        "answer": (pl.String, "The answer as the model wrote it."),
        "candidate_ad_ids": (pl.List(pl.String), "Candidate ads, in the order of the prompt."),
        "bids": (pl.List(pl.Int64), "Their bids per click, in the same order."),
        "inserted_ad_ids": (pl.List(pl.String), "Inserted ads in reading order."),
        "format_errors": (pl.Int64, "Insertions that match no candidate."),
        "tokens": (pl.Int64, "Length of the answer in tokens."),
        "logprob": (pl.Float64, "log pi(answer), nats, at temperature 1 and untruncated."),
        "temperature": (pl.Float64, "Sampling temperature."),
        "top_p": (pl.Float64, "Nucleus mass."),
        "top_k": (pl.Int64, "Tokens kept at each step; 0 keeps all."),
        "sample_index": (pl.Int64, "Number of the answer among those to the same query."),
    }
)

CLICK_COLUMNS = Columns(
    {
        "event_id": (pl.String, "Identity of the event; the same when the partition is materialized again."),
        "ts": (_TIME, "When the user judged the ad (synthetic clock, UTC)."),
        "response_id": (pl.String, "The answer that showed the ad."),
        "arm": (pl.String, "Arm of the experiment."),
        "iteration": (pl.String, "Iteration, zero-padded."),
        "ad_id": (pl.String, "The inserted ad."),
        "clicked": (pl.Boolean, "Whether it was clicked; null where the user model gave no usable verdict."),
        "click_probability": (pl.Float64, "The user model's own probability; null where it knows none."),
        "reason": (pl.String, "Why, in the user model's words."),
    }
)

CONVERSION_COLUMNS = Columns(
    {
        "event_id": (pl.String, "Identity of the event; the same when the partition is materialized again."),
        "ts": (_TIME, "When it happened (synthetic clock, UTC): hours after the click, maybe in a later iteration."),
        "response_id": (pl.String, "The answer that showed the ad."),
        "arm": (pl.String, "Arm of the experiment."),
        "iteration": (pl.String, "Iteration of the answer, zero-padded."),
        "ad_id": (pl.String, "The clicked ad."),
        "value": (pl.Float64, "What it is worth to the advertiser, currency units: bid x reward.conversion_worth."),
    }
)


def end_of_iteration(iteration: str) -> datetime:
    """When an iteration's day is over: what a reward model fitted then can know."""
    return FIRST_DAY + timedelta(days=int(iteration))


def event_id(kind: str, *parts: str | int) -> str:
    """The identity of an event: a hash of its kind and of what it is about."""
    text = "\x1f".join([kind, *map(str, parts)])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def response_rows(
    auctions: Sequence[Auction],
    answers: Sequence[Sequence[GeneratedAnswer]],
    sampling: SamplingConfig,
    policy_version: str,
    arm: str,
    iteration: str,
) -> list[dict[str, Any]]:
    """One row of `ad_responses` for each answer, in the order of the auctions."""
    total = sum(map(len, answers))
    rows: list[dict[str, Any]] = []
    for auction, group in zip(auctions, answers, strict=True):
        for sample_index, answer in enumerate(group):
            parsed = parse_answer(answer.text, auction.candidates)
            identity = (arm, iteration, auction.query.query_id, sample_index)
            rows.append(
                {
                    "event_id": event_id("answer", *identity),
                    "ts": FIRST_DAY + timedelta(days=int(iteration) - 1 + len(rows) / total),
                    "response_id": event_id("response", *identity),
                    "policy_version": policy_version,
                    "arm": arm,
                    "iteration": iteration,
                    "query_id": auction.query.query_id,
                    "query": auction.query.text,
                    "user_id": auction.profile.user_id,
                    "profile": auction.profile.text,
                    "answer": answer.text,
                    "candidate_ad_ids": [ad.ad_id for ad in auction.candidates],
                    "bids": list(auction.bids),
                    "inserted_ad_ids": list(parsed.ad_ids),
                    "format_errors": parsed.format_errors,
                    "tokens": len(answer.token_ids),
                    "logprob": answer.logprob,
                    "temperature": sampling.temperature,
                    "top_p": sampling.top_p,
                    "top_k": sampling.top_k,
                    "sample_index": sample_index,
                }
            )
    return rows


def _lucky_number(response: Mapping[str, Any], arm: str) -> str:
    """What names the luck of an answer: its own id, or that of its counterpart in the arm whose luck it shares."""
    return event_id("response", arm, response["iteration"], response["query_id"], response["sample_index"])


def click_rows(
    responses: Sequence[Mapping[str, Any]], auctions: Sequence[Auction], user: UserModel, seed: int, luck_of: str
) -> list[dict[str, Any]]:
    """One row of `click_feedback` for each inserted ad of each answer; `auctions` belong to the responses in order.

    `luck_of` is the arm whose users' luck it is (`Profile.luck_of`).
    """
    rows = []
    judged = user.judge_all(
        auctions,
        [response["answer"] for response in responses],
        [generator(seed, "clicks", _lucky_number(response, luck_of)) for response in responses],
    )
    for response, judgements in zip(responses, judged, strict=True):
        response_id = response["response_id"]
        for position, judgement in enumerate(judgements):
            rows.append(
                {
                    "event_id": event_id("click", response_id, judgement.ad_id),
                    "ts": response["ts"] + timedelta(seconds=5 + 5 * position),
                    "response_id": response_id,
                    "arm": response["arm"],
                    "iteration": response["iteration"],
                    "ad_id": judgement.ad_id,
                    "clicked": judgement.clicked,
                    "click_probability": judgement.probability,
                    "reason": judgement.reason,
                }
            )
    return rows


def conversion_rows(
    responses: Sequence[Mapping[str, Any]],
    auctions: Sequence[Auction],
    clicks: Sequence[Mapping[str, Any]],
    buyer: ParametricBuyer,
    worth: float,
    seed: int,
    luck_of: str,
) -> list[dict[str, Any]]:
    """The rows of `conversion_feedback` that follow the clicks; `auctions` belong to the responses in order.

    Drawn from streams of their own: no answer and no click is another for it.
    """
    clicked: dict[str, dict[str, datetime]] = {}
    for click in clicks:
        if click["clicked"]:
            clicked.setdefault(click["response_id"], {})[click["ad_id"]] = click["ts"]
    rows = []
    for response, auction in zip(responses, auctions, strict=True):
        response_id = response["response_id"]
        clicked_at = clicked.get(response_id, {})
        luck = generator(seed, "conversions", _lucky_number(response, luck_of))
        for conversion in buyer.convert(auction, list(clicked_at), luck):
            rows.append(
                {
                    "event_id": event_id("conversion", response_id, conversion.ad_id),
                    "ts": clicked_at[conversion.ad_id] + timedelta(hours=conversion.after_hours),
                    "response_id": response_id,
                    "arm": response["arm"],
                    "iteration": response["iteration"],
                    "ad_id": conversion.ad_id,
                    "value": float(worth * auction.bid_of(conversion.ad_id)),
                }
            )
    return rows
