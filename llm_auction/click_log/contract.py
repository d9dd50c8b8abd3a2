"""The contract of a click log, version 1: three kinds of events, their fields, and why an event is rejected.

docs/click-log.md says the same for people who produce logs. What depends on a deployment (windows, the highest bid,
tolerances) stands in the profile's section `click_log`; here is what holds for every log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SCHEMA_VERSION = 1

# An id is a name, never a path, a piece of SQL or of markup: no white space or control characters, no quotes,
# backslashes, backticks, semicolons or angle brackets, no `..`, no slash in front. Of one id, or of several by line.
ID_LENGTH = 200
ID_PATTERN = r"[^\s\p{C}'\"`\\;<>/][^\s\p{C}'\"`\\;<>]*"
ID_FORBIDDEN = ".."
# RFC 3339 with an offset, to the nanosecond; stored to the microsecond in UTC. DuckDB, which reads what matches, knows
# dates, minutes and seconds, but takes 24:00 for the next day and adds any offset.
_HOUR = r"([01]\d|2[0-3])"
TS_PATTERN = rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]{_HOUR}:\d{{2}}:\d{{2}}(\.\d{{1,9}})?(Z|[+-]{_HOUR}:[0-5]\d)"

TEXT_LENGTH = 200_000  # characters of a query, a profile, an answer, a reason
AUCTION_LENGTH = 10_000  # candidates
LINE_BYTES = 4 * 1024 * 1024
# Money has six decimals: bids and values are rounded to it where a log has more.
MONEY_DECIMALS = 6


class Kind(StrEnum):
    """What the value of a field is."""

    ID = "id"
    TEXT = "text"
    TS = "timestamp"
    INTEGER = "integer"
    NUMBER = "number"
    AUCTION = "list of {ad_id, bid}"
    SAMPLING = "object {temperature, top_p, top_k}"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event. A JSON null, or an empty Parquet cell, is a missing field."""

    kind: Kind
    description: str
    required: bool = True


COMMON_FIELDS: Mapping[str, Field] = {
    "schema_version": Field(Kind.INTEGER, "Version of this contract: 1."),
    "event": Field(Kind.TEXT, "answer, click or conversion."),
    "event_id": Field(Kind.ID, "Identity of the event; a second delivery carries the same."),
    "ts": Field(Kind.TS, "When it happened."),
    "response_id": Field(Kind.ID, "Identity of the answer that the event is about."),
}

# The kinds of events and their fields beside the common ones.
EVENTS: Mapping[str, Mapping[str, Field]] = {
    "answer": {
        "policy_version": Field(Kind.ID, "Version of the Ad-LLM that wrote the answer."),
        "query_id": Field(Kind.ID, "Identity of the query."),
        "query": Field(Kind.TEXT, "Its text."),
        "user_id": Field(Kind.ID, "Identity of the user."),
        "profile": Field(Kind.TEXT, "What the prompt said of the user."),
        "answer": Field(Kind.TEXT, "The answer as the model wrote it."),
        "auction": Field(Kind.AUCTION, "Candidate ads in the order of the prompt, with their bids per click."),
        "sampling": Field(Kind.SAMPLING, "How the answer was drawn; top_k = 0 keeps every token."),
        "logprob": Field(Kind.NUMBER, "log pi(answer), the whole sequence, nats, at temperature 1 and untruncated."),
        "arm": Field(Kind.ID, "Arm of an experiment.", required=False),
        "iteration": Field(Kind.ID, "Iteration of the policy.", required=False),
    },
    "click": {
        "ad_id": Field(Kind.ID, "The ad, without the prefix Ad-."),
        "reason": Field(Kind.TEXT, "Why, where somebody knows.", required=False),
    },
    "conversion": {
        "ad_id": Field(Kind.ID, "The ad, without the prefix Ad-."),
        "value": Field(Kind.NUMBER, "Worth of the conversion, in the currency of the bids."),
    },
}

# Why an event, or a file, is rejected. The first reason that applies is the one that is kept.
REASONS: Mapping[str, str] = {
    # A whole file; its row has no line.
    "unreadable_file": "The file is not what its name says, or is cut short; what could be read of it counts.",
    "file_changed": "The file changed each time it was read; nothing of it counts.",
    # A line.
    "line_too_long": "The line is longer than 4 MiB.",
    "bad_encoding": "The line is not UTF-8.",
    "malformed_json": "The line is not JSON.",
    "not_an_object": "The line is JSON, but not an object.",
    "unknown_schema_version": "schema_version is missing or not 1.",
    "unknown_event": "event is missing or not answer, click or conversion.",
    # An event by itself.
    "missing_field": "A required field is missing or null.",
    "wrong_type": "A field has another type.",
    "bad_id": "An id is empty, too long, or holds what no id may hold.",
    "bad_ts": "ts is not RFC 3339 with an offset.",
    "future_ts": "ts lies behind the day of delivery by more than the tolerated clock skew.",
    "ancient_ts": "ts lies further before the day of delivery than events may be late.",
    "too_long": "A text or an auction is longer than any real one.",
    "missing_auction": "The answer has no candidate.",
    "bad_auction": "A candidate has no ad_id or no bid, a wrong type, or stands there twice.",
    "negative_bid": "A bid is below 0.",
    "absurd_bid": "A bid is above click_log.max_bid, or no finite number.",
    "bad_sampling": "sampling lacks a number, or one is out of range.",
    "bad_logprob": "logprob is above 0, or no finite number.",
    "bad_value": "value is below 0, above click_log.max_value, or no finite number.",
    "conflicting_event_id": "Another event of the same day carries the same event_id and says something else.",
    # An event among others.
    "duplicate_response_id": "Another answer carries the same response_id.",
    "unknown_response": "No accepted answer has this response_id.",
    "ad_not_inserted": "The answer does not insert this ad.",
    "before_answer": "It happened before its answer, by more than the tolerated clock skew.",
    "outside_window": "It came after its window: a click's is attribution_hours, a conversion's conversion_days.",
    "conversion_without_click": "No accepted click leads to the conversion.",
}
