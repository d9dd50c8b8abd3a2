"""Events that are wrong in themselves: one function a reason, each breaking the rule of its name and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from llm_auction.traffic.clock import DAY, SECOND, rfc3339
from llm_auction.traffic.events import Event, conversion_event
from llm_auction.traffic.spoiling import BadEvent, Victim

HOSTILE_IDS = (
    "../../../etc/passwd",
    "/etc/shadow",
    "x'; drop table fct_click_log_impressions; --",
    '" or 1=1 --',
    "<script>alert(1)</script>",
    "C:\\windows\\system32",
    "`rm -rf .`",
    "id with spaces",
    "tab\tseparated",
    "x" * 201,
    "",
)
# Each has a reason of its own when it is missing.
_OTHER_REASON = {"schema_version", "event", "auction"}


def line_too_long(victim: Victim) -> BadEvent:
    return victim.deliver(json.dumps({**victim.copy(), "answer": "la " * 1_500_000}).encode())


def bad_encoding(victim: Victim) -> BadEvent:
    text = json.dumps({**victim.copy(), "query": "Où trouver un café à Orléans ?"}, ensure_ascii=False)
    return victim.deliver(text.encode("latin-1", errors="replace"))


def malformed_json(victim: Victim) -> BadEvent:
    whole = json.dumps(victim.copy())
    cut = whole[: int(victim.rng.integers(1, len(whole) - 1))]
    lines = ("\tat com.example.Logger.write(Logger.java:88)", "{'event': 'click'}", whole + "}", cut)
    return victim.deliver(victim.pick(lines).encode())


def not_an_object(victim: Victim) -> BadEvent:
    return victim.deliver(victim.pick((b'["click", "u1"]', b"42", b"null", b'"click"')))


def unknown_schema_version(victim: Victim) -> BadEvent:
    return victim.deliver({**victim.copy_of_any_kind(), "schema_version": victim.pick((0, 2, 99))})


def unknown_event(victim: Victim) -> BadEvent:
    return victim.deliver({**victim.copy_of_any_kind(), "event": victim.pick(("impression", "ANSWER", "hover"))})


def missing_field(victim: Victim) -> BadEvent:
    event = victim.copy_of_any_kind()
    name = victim.pick([field for field in event if field not in _OTHER_REASON])
    if victim.rng.random() < 0.5:
        return victim.deliver({**event, name: None})
    return victim.deliver({field: value for field, value in event.items() if field != name})


def wrong_type(victim: Victim) -> BadEvent:
    wrong: tuple[Event, ...] = ({"logprob": "low"}, {"answer": ["a", "list"]}, {"query": {"q": 7}}, {"sampling": "0.7"})
    return victim.deliver({**victim.copy(), **victim.pick(wrong)})


def bad_id(victim: Victim) -> BadEvent:
    event = victim.copy_of_any_kind()
    name = victim.pick([field for field in event if field in {"response_id", "user_id", "query_id", "ad_id"}])
    return victim.deliver({**event, name: victim.pick(HOSTILE_IDS)})


def bad_ts(victim: Victim) -> BadEvent:
    times = ("yesterday", "03/01/2026 10:00", "2026-02-30T10:00:00Z", "2026-03-01T10:00:00", "")
    return victim.deliver({**victim.copy_of_any_kind(), "ts": victim.pick(times)})


def future_ts(victim: Victim) -> BadEvent:
    later = victim.time_us + int((2 + 400 * victim.rng.random()) * DAY)
    return victim.deliver({**victim.copy_of_any_kind(), "ts": rfc3339(later)})


def ancient_ts(victim: Victim) -> BadEvent:
    earlier = victim.time_us - int((victim.rules.lateness_days + 2 + 4000 * victim.rng.random()) * DAY)
    return victim.deliver({**victim.copy_of_any_kind(), "ts": rfc3339(earlier)})


def too_long(victim: Victim) -> BadEvent:
    return victim.deliver({**victim.copy(), "answer": "la " * 70_000})


def missing_auction(victim: Victim) -> BadEvent:
    return victim.deliver({**victim.copy(), "auction": []})


def bad_auction(victim: Victim) -> BadEvent:
    event = victim.copy()
    return victim.deliver({**event, "auction": [*event["auction"], dict(event["auction"][0])]})


def negative_bid(victim: Victim) -> BadEvent:
    return victim.deliver(_with_bid(victim.copy(), -int(victim.rng.integers(1, 100))))


def absurd_bid(victim: Victim) -> BadEvent:
    return victim.deliver(_with_bid(victim.copy(), int(victim.rules.max_bid) * int(victim.rng.integers(100, 10_000))))


def _with_bid(event: Event, bid: int) -> Event:
    event["auction"][-1]["bid"] = bid
    return event


def bad_sampling(victim: Victim) -> BadEvent:
    event = victim.copy()
    wrong: tuple[dict[str, Any], ...] = ({"temperature": -1.0}, {"top_p": 1.5}, {"top_k": -5})
    return victim.deliver({**event, "sampling": {**event["sampling"], **victim.pick(wrong)}})


def bad_logprob(victim: Victim) -> BadEvent:
    return victim.deliver({**victim.copy(), "logprob": 0.5 + float(victim.rng.random())})


def bad_value(victim: Victim) -> BadEvent:
    ad_id, value = str(victim.event["auction"][0]["ad_id"]), victim.pick((-5.0, victim.rules.max_value * 1000.0))
    event = conversion_event(victim.response_id, ad_id, victim.time_us + SECOND, value)
    return victim.deliver(victim.renamed(event))


WRONG_IN_THEMSELVES: Mapping[str, Callable[[Victim], BadEvent]] = {
    function.__name__: function
    for function in (
        line_too_long,
        bad_encoding,
        malformed_json,
        not_an_object,
        unknown_schema_version,
        unknown_event,
        missing_field,
        wrong_type,
        bad_id,
        bad_ts,
        future_ts,
        ancient_ts,
        too_long,
        missing_auction,
        bad_auction,
        negative_bid,
        absurd_bid,
        bad_sampling,
        bad_logprob,
        bad_value,
    )
}
