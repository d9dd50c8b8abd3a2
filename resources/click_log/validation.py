"""The validation of events as one SELECT, built from the contract.

DuckDB reads the JSON, so that no event becomes a Python object. The text of an event is only ever a value in the query,
never a part of it. Each row gets the first reason that speaks against it, as "reason field", or null.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain

from llm_auction.click_log.contract import (
    AUCTION_LENGTH,
    COMMON_FIELDS,
    EVENTS,
    ID_FORBIDDEN,
    ID_LENGTH,
    ID_PATTERN,
    MONEY_DECIMALS,
    SCHEMA_VERSION,
    TEXT_LENGTH,
    TS_PATTERN,
    Field,
    Kind,
)
from llm_auction.profiles.schema import ClickLogConfig

SAMPLING = ("temperature", "top_p", "top_k")
_PATHS = (*dict.fromkeys(chain(COMMON_FIELDS, *EVENTS.values())), *(f"sampling.{name}" for name in SAMPLING))
_INTEGER = "('UBIGINT', 'BIGINT')"
_NUMBER = "('UBIGINT', 'BIGINT', 'DOUBLE')"
_JSON_TYPES = {
    Kind.ID: "('VARCHAR')",
    Kind.TEXT: "('VARCHAR')",
    Kind.TS: "('VARCHAR')",
    Kind.INTEGER: _INTEGER,
    Kind.NUMBER: _NUMBER,
    Kind.AUCTION: "('ARRAY')",
    Kind.SAMPLING: "('OBJECT')",
}

# The columns of a validated event; `content` tells whether two events of one id say the same, `answer_key` whether two
# answers are the same text to the same candidates.
EVENT_COLUMNS = {
    "line": "bigint",
    "verdict": "varchar",
    "raw": "varchar",
    "event": "varchar",
    "event_id": "varchar",
    "ts": "timestamptz",
    "response_id": "varchar",
    "ad_id": "varchar",
    "reason": "varchar",
    "value": "double",
    "policy_version": "varchar",
    "query_id": "varchar",
    "query": "varchar",
    "user_id": "varchar",
    "profile": "varchar",
    "answer": "varchar",
    "candidate_ad_ids": "varchar[]",
    "bids": "double[]",
    "temperature": "double",
    "top_p": "double",
    "top_k": "bigint",
    "logprob": "double",
    "arm": "varchar",
    "iteration": "varchar",
    "content": "ubigint",
    "answer_key": "uhugeint",
}
# What an event itself says.
SAID = tuple(name for name in EVENT_COLUMNS if name not in ("line", "verdict", "raw", "content", "answer_key"))


def validated(lines: str, day: str, config: ClickLogConfig) -> str:
    """The SELECT of EVENT_COLUMNS over a relation `lines` with the columns of LINES_SCHEMA.

    Args:
        lines: name of the relation.
        day: the day of delivery, "2026-01-05".
        config: windows, bounds and tolerances.
    """
    paths = ", ".join(f"'$.{path}'" for path in _PATHS)
    return f"""
    with documents as (
        select line, text, fault, case when fault is null then try_cast(text as json) end as document
        from {lines}
    ),
    taken as (
        select
            line, text, fault, json_type(document) as document_type,
            json_type(document, [{paths}]) as types,
            json_extract_string(document, [{paths}]) as texts
        from documents
    ),
    opened as (
        select
            *,
            {_text("event")} as event,
            case when regexp_full_match(upper({_text("ts")}), '{TS_PATTERN}')
                then try_cast(upper({_text("ts")}) as timestamptz) end as ts,
            case when {_type("auction")} = 'ARRAY' then
                from_json({_text("auction")}, '[{{"ad_id":"VARCHAR","bid":"DOUBLE"}}]') end as auction,
            case when {_type("auction")} = 'ARRAY' then json_type({_text("auction")}, '$[*].ad_id') end as ad_types,
            case when {_type("auction")} = 'ARRAY' then json_type({_text("auction")}, '$[*].bid') end as bid_types
        from taken
    ),
    typed as (
        select
            *,
            [candidate.ad_id for candidate in auction] as candidate_ad_ids,
            [round(candidate.bid, {MONEY_DECIMALS}) for candidate in auction] as bids,
            {_number("value")} as value,
            {_number("logprob")} as logprob,
            {_number("sampling.temperature")} as temperature,
            {_number("sampling.top_p")} as top_p,
            try_cast({_text("sampling.top_k")} as bigint) as top_k
        from opened
    ),
    judged as (
        select *, case {" ".join(f"when {condition} then '{verdict}'" for condition, verdict in _verdicts(day, config))}
            end as verdict
        from typed
    ),
    events as (
        select
            line,
            verdict,
            case when verdict is not null then text end as raw,
            event,
            {_text("event_id")} as event_id,
            ts,
            {_text("response_id")} as response_id,
            {_text("ad_id")} as ad_id,
            {_text("reason")} as reason,
            round(value, {MONEY_DECIMALS}) as value,
            {", ".join(f"{_text(name)} as {name}" for name in _ANSWER_TEXTS)},
            candidate_ad_ids,
            bids,
            temperature,
            top_p,
            top_k,
            logprob,
            {_text("arm")} as arm,
            {_text("iteration")} as iteration
        from judged
    )
    select
        *,
        hash({", ".join(SAID)}) as content,
        case when event = 'answer' then md5_number(
            answer || chr(10) || array_to_string(candidate_ad_ids, chr(10))
        ) end as answer_key
    from events
    """


_ANSWER_TEXTS = ("policy_version", "query_id", "query", "user_id", "profile", "answer")


def _verdicts(day: str, config: ClickLogConfig) -> Iterator[tuple[str, str]]:
    """Conditions and what they mean, in order; a condition may rely on those before it."""
    yield "fault is not null", "' || fault || '"
    yield "document_type is null", "malformed_json"
    yield "document_type <> 'OBJECT'", "not_an_object"
    version = "schema_version"
    yield f"{_is_absent(version)} or {_type(version)} not in {_INTEGER}", "unknown_schema_version schema_version"
    yield f"{_text(version)} <> '{SCHEMA_VERSION}'", "unknown_schema_version schema_version"
    kinds = ", ".join(f"'{kind}'" for kind in EVENTS)
    yield f"{_is_absent('event')} or {_type('event')} <> 'VARCHAR' or event not in ({kinds})", "unknown_event event"
    for name, field in COMMON_FIELDS.items():
        if name not in (version, "event"):
            yield from _field_verdicts(name, field, "true")
    for kind, fields in EVENTS.items():
        for name, field in fields.items():
            yield from _field_verdicts(name, field, f"event = '{kind}'")
    start = datetime.combine(date.fromisoformat(day), time())
    latest = start + timedelta(days=1, seconds=config.clock_skew_seconds)
    earliest = start - timedelta(days=config.lateness_days)
    yield "ts is null", "bad_ts ts"
    yield f"ts > timestamptz '{latest.isoformat()}+00:00'", "future_ts ts"
    yield f"ts < timestamptz '{earliest.isoformat()}+00:00'", "ancient_ts ts"
    yield from _answer_verdicts(config)
    money = f"value between 0 and {config.max_value!r} and isfinite(value)"
    yield f"event = 'conversion' and ({money}) is not true", "bad_value value"


def _field_verdicts(name: str, field: Field, applies: str) -> Iterator[tuple[str, str]]:
    absent = _is_absent(name)
    if field.required:
        yield f"{applies} and {absent}", f"missing_field {name}"
    yield f"{applies} and not {absent} and {_type(name)} not in {_JSON_TYPES[field.kind]}", f"wrong_type {name}"
    if field.kind is Kind.ID:
        yield f"{applies} and not {absent} and not ({_ids(_text(name))})", f"bad_id {name}"
        yield f"{applies} and length({_text(name)}) > {ID_LENGTH}", f"bad_id {name}"
    if field.kind is Kind.TEXT:
        yield f"{applies} and length({_text(name)}) > {TEXT_LENGTH}", f"too_long {name}"


def _answer_verdicts(config: ClickLogConfig) -> Iterator[tuple[str, str]]:
    answer = "event = 'answer' and "
    yield f"{answer} len(auction) = 0", "missing_auction auction"
    yield f"{answer} len(auction) > {AUCTION_LENGTH}", "too_long auction"
    of_all = (
        "len(ad_types) = len(auction) and len(list_filter(ad_types, lambda kind: kind <> 'VARCHAR')) = 0"
        f" and len(bid_types) = len(auction) and len(list_filter(bid_types, lambda kind: kind not in {_NUMBER})) = 0"
        " and len(list_distinct(candidate_ad_ids)) = len(auction)"
        " and len(list_filter(bids, lambda bid: bid is null)) = 0"
        f" and list_max([length(ad_id) for ad_id in candidate_ad_ids]) <= {ID_LENGTH}"
        f" and {_ids('array_to_string(candidate_ad_ids, chr(10))', several=True)}"
    )
    yield f"{answer} ({of_all}) is not true", "bad_auction auction"
    yield f"{answer} list_min(bids) < 0", "negative_bid auction"
    # Not a number is above every number.
    yield f"{answer} list_max(bids) > {config.max_bid!r}", "absurd_bid auction"
    numbers = " and ".join(f"{_type(f'sampling.{name}')} in {_NUMBER}" for name in ("temperature", "top_p"))
    sampling = (
        f"{numbers} and {_type('sampling.top_k')} in {_INTEGER} and temperature > 0 and isfinite(temperature)"
        " and top_p > 0 and top_p <= 1 and top_k >= 0"
    )
    yield f"{answer} ({sampling}) is not true", "bad_sampling sampling"
    yield f"{answer} (logprob <= 0 and isfinite(logprob)) is not true", "bad_logprob logprob"


def _ids(text: str, *, several: bool = False) -> str:
    """Whether a text is an id, or several with a line break between."""
    # The pattern is written as SQL text: quotes are doubled.
    one = ID_PATTERN.replace("'", "''")
    pattern = rf"{one}(\n{one})*" if several else one
    return f"regexp_full_match({text}, '{pattern}') and not contains({text}, '{ID_FORBIDDEN}')"


def _type(path: str) -> str:
    return f"types[{_PATHS.index(path) + 1}]"


def _text(path: str) -> str:
    return f"texts[{_PATHS.index(path) + 1}]"


def _is_absent(path: str) -> str:
    return f"(coalesce({_type(path)}, 'NULL') = 'NULL')"


def _number(path: str) -> str:
    return f"try_cast({_text(path)} as double)"
