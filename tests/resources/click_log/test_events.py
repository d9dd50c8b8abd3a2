"""The events of a day, each by itself and beside others of its id: accepted, a duplicate, or rejected for a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_auction.click_log import REASONS
from resources.lake import Lake
from tests.click_logs import DAY, NOON, answer, click, conversion, ingest, json_lines, read, write_log

TEMPERATURE = {"temperature": 0.0, "top_p": 0.8, "top_k": 20}
# Reason -> events that must be rejected for it, each alone among good ones.
BAD: dict[str, list[Any]] = {
    "malformed_json": ["{bad", '{"a": "\\ud800"}', "'; drop table events; --"],
    "not_an_object": ["[1]", "3", "null"],
    "unknown_schema_version": [answer("x", schema_version=2), click("x", schema_version=None), "{}"],
    "unknown_event": [click("x", event="view"), click("x", event=7), click("x", event=None)],
    "missing_field": [answer("x", query=None), answer("x", auction=None), click("x", ad_id=None)],
    "wrong_type": [
        answer("x", query_id=7),
        answer("x", auction="none"),
        conversion("x", value="7"),
        click("x", ts=1e9),
    ],
    "bad_id": [
        answer("x", user_id="../../etc/passwd"),
        answer("x", query_id="q'; drop table events; --"),
        click("x", ad_id=""),
        click("x", ad_id="a\u0000b"),
        click("/etc/passwd"),
        click("x" * 201),
    ],
    "bad_ts": [
        click("x", ts=ts)
        for ts in (
            "yesterday",
            "2026-01-05T12:00:00",
            "2026-02-30T12:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T12:60:00Z",
            "2026-01-05T12:00:61Z",
            "2026-01-05T12:00:00+99:00",
            "2026-01-05T12:00:00+24:00",
            "2026-01-05T12:00:00-01:60",
        )
    ],
    "future_ts": [click("x", ts=NOON + timedelta(days=1)), click("x", ts=datetime(9999, 1, 1, tzinfo=UTC))],
    "ancient_ts": [click("x", ts=NOON - timedelta(days=4)), click("x", ts=datetime(1970, 1, 1, tzinfo=UTC))],
    "missing_auction": [answer("x", auction=[])],
    "bad_auction": [
        answer("x", auction=[{"ad_id": "a0"}]),
        answer("x", auction=[{"ad_id": "a0", "bid": "7"}]),
        answer("x", auction=[{"ad_id": 7, "bid": 7}]),
        answer("x", auction=[{"ad_id": "a0", "bid": 1}, {"ad_id": "a0", "bid": 2}]),
        answer("x", auction=["a0"]),
        answer("x", auction=[{"ad_id": "a0", "bid": 1}, None]),
    ],
    "negative_bid": [answer("x", auction=[{"ad_id": "a0", "bid": -1}])],
    "absurd_bid": [answer("x", auction=[{"ad_id": "a0", "bid": bid}]) for bid in (1e9, float("inf"), float("nan"))],
    "bad_sampling": [answer("x", sampling=TEMPERATURE), answer("x", sampling={})],
    "bad_logprob": [answer("x", logprob=1.0), answer("x", logprob=float("-inf"))],
    "bad_value": [conversion("x", value=-1.0), conversion("x", value=1e300)],
    "too_long": [answer("x", answer="x" * 200_001)],
    "line_too_long": ['{"a": "' + "x" * 9_000_000 + '"}'],
}


def test_every_bad_event_is_kept_with_its_place_and_reason_and_the_rest_counts(lake: Lake, tmp_path: Path) -> None:
    bad = [(reason, event) for reason, events in BAD.items() for event in events]
    good = [answer("r0"), click("r0")]
    source = write_log(tmp_path, {"log.jsonl": json_lines([good[0], *(event for _, event in bad), good[1]])})
    counts = ingest(lake, source)
    rejected = read(lake, "click_log_rejections")
    assert rejected.select("line", "rejection_reason").rows() == [
        (line, reason) for line, (reason, _) in enumerate(bad, start=2)
    ]
    assert counts.reasons == {reason: len(events) for reason, events in BAD.items()}
    assert rejected["file"].unique().to_list() == [str(tmp_path / DAY / "log.jsonl")]
    assert rejected["event"].null_count() == 0
    assert (counts.read, counts.accepted, counts.duplicates) == (len(bad) + 2, 2, 0)
    assert read(lake, "click_log_clicks")["line"].to_list() == [len(bad) + 2]


def test_the_reasons_are_those_of_the_contract() -> None:
    assert set(BAD) <= set(REASONS)


def test_texts_are_data(lake: Lake, tmp_path: Path) -> None:
    text = "'; drop table events; --\n$(rm -rf /) {{ 7 * 7 }} \u0000 \U0001f600 ../.."
    event = answer("r0", query=text, profile=text, answer=text)
    ingest(lake, write_log(tmp_path, {"log.jsonl": json_lines([event])}))
    row = read(lake, "click_log_answers").row(0, named=True)
    assert (row["query"], row["profile"], row["answer"]) == (text, text, text)


def test_answers_without_an_insertion_and_repeated_texts_keep_their_own_ads(lake: Lake, tmp_path: Path) -> None:
    """Not every answer is parsed: texts that can't insert are passed over, equal ones are read once."""
    events = [
        answer("r0", answer="Nothing to sell."),
        answer("r1", answer="A [bracket] and an @ alone."),
        answer("r2", answer="Broken: @Title@[Ad-"),
        answer("r3", ("a0", "a2")),
        answer("r4", ("a0", "a2")),
        answer("r5", ("a0", "a2"), auction=[{"ad_id": "a0", "bid": 1.0}]),
    ]
    ingest(lake, write_log(tmp_path, {"log.jsonl": json_lines(events)}))
    answers = read(lake, "click_log_answers").sort("response_id")
    assert answers["inserted_ad_ids"].to_list() == [[], [], [], ["a0", "a2"], ["a0", "a2"], ["a0"]]
    assert answers["format_errors"].to_list() == [0, 0, 1, 0, 0, 1]


def test_delivery_is_at_least_once(lake: Lake, tmp_path: Path) -> None:
    """A repeated event is a duplicate; one id with two contents is a conflict, and the first counts."""
    events = [answer("r0"), click("r0"), answer("r0"), click("r0"), answer("r0", logprob=-2.0)]
    files = {
        "a.jsonl": json_lines(events),
        "b.jsonl": json_lines([click("r0"), click("r0", ad_id="a1", event_id="click-r0-a0")]),
    }
    counts = ingest(lake, write_log(tmp_path, files))
    assert (counts.accepted, counts.duplicates) == (2, 3)
    assert counts.reasons == {"conflicting_event_id": 2}
    conflict = read(lake, "click_log_rejections").row(1, named=True)
    assert (conflict["line"], conflict["detail"], json.loads(conflict["event"])["ad_id"]) == (2, "event_id", "a1")


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "u1"},
        {"policy_version": "v2"},
        {"query_id": "q1"},
        {"query": "Why?"},
        {"profile": "Another."},
        {"logprob": -2.0},
        {"arm": "b"},
        {"iteration": "02"},
        {"sampling": {"temperature": 0.7, "top_p": 0.8, "top_k": 21}},
        {"auction": [{"ad_id": f"b{number}", "bid": bid} for number, bid in enumerate((10.0, 20.0, 30.5))]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_differs_under_one_id_is_a_conflict(lake: Lake, tmp_path: Path, change: dict[str, Any]) -> None:
    counts = ingest(lake, write_log(tmp_path, {"log.jsonl": json_lines([answer("r0"), answer("r0", **change)])}))
    assert (counts.accepted, dict(counts.reasons)) == (1, {"conflicting_event_id": 1})
