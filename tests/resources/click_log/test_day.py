"""One day of delivery: every event is accepted, a duplicate, or rejected with its place and reason; none is lost."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import polars as pl
import pyarrow as pa
import pytest

from llm_auction.click_log import REASONS
from llm_auction.click_log.files import LogFile, find_files
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log import (
    ClickLogDay,
    DayInProgressError,
    RejectedShareError,
    only_run_of,
    scratch_database,
)
from resources.lake import Lake
from tests.click_logs import DAY, NOON, answer, click, conversion, ingest, json_lines, write_log

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
    "bad_ts": [click("x", ts="yesterday"), click("x", ts="2026-01-05T12:00:00"), click("x", ts="2026-02-30T12:00:00Z")],
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


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(data_dir=str(tmp_path / "data"))


def read(lake: Lake, table: str, day: str = DAY) -> pl.DataFrame:
    return lake.read(table, {"day": day})


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


def test_every_kind_of_file_holds_the_same_events(lake: Lake, tmp_path: Path) -> None:
    """Formats, one file or several: the same tables but for the places."""
    events = [answer("r0", ("a0", "a2")), answer("r1", arm="b", iteration="02"), click("r0"), conversion("r0")]
    lines = json_lines(events)
    zstd = pa.compress(lines, codec="zstd", asbytes=True)
    rows = pa.Table.from_pylist(
        [{name: event.get(name) for name in {key for item in events for key in item}} for event in events]
    )
    rows = rows.set_column(rows.schema.get_field_index("ts"), "ts", rows["ts"].cast(pa.timestamp("us", "UTC")))
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(rows, sink)
    days = {
        "plain": {"log.jsonl": lines},
        "gzip": {"log.jsonl.gz": gzip.compress(lines)},
        "members": {"log.jsonl.gz": b"".join(gzip.compress(json_lines([event])) for event in events)},
        "zstd": {"log.ndjson.zst": zstd},
        "parquet": {"log.parquet": sink.getvalue().to_pybytes()},
        "windows": {"log.json": b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n\r\n").removesuffix(b"\r\n\r\n")},
        "apart": {f"{number}.jsonl": json_lines([event]) for number, event in enumerate(events)},
        "marked": {"log.jsonl": lines, "_SUCCESS": b"", ".log.jsonl.crc": b"?"},
    }
    tables = {}
    for name, files in days.items():
        counts = ingest(lake, write_log(tmp_path / name, files))
        assert (counts.accepted, counts.rejected) == (4, 0), name
        tables[name] = [
            read(lake, f"click_log_{table}").drop("file", "line") for table in ("answers", "clicks", "conversions")
        ]
    first = tables["plain"]
    assert first[0].select("response_id", "inserted_ad_ids", "format_errors").rows() == [
        ("r0", ["a0", "a2"], 0),
        ("r1", ["a0"], 0),
    ]
    assert first[0]["bids"].to_list() == [[10.0, 20.0, 30.5]] * 2
    for name, others in tables.items():
        assert all(one.equals(other) for one, other in zip(first, others, strict=True)), name


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


def test_events_are_conserved_file_by_file(lake: Lake, tmp_path: Path) -> None:
    files = {
        "a.jsonl": json_lines([answer("r0"), answer("r0"), "{bad"]),
        "b.jsonl": json_lines([answer("r0"), click("r0")]),
        "c.jsonl": b"\xff\xfe\n",
        "d.parquet": b"no",
        "e.csv": b"no",
        "f.jsonl.gz": gzip.compress(json_lines([click("r0", event_id="c1")])) + b"more",
        "g.jsonl": b"",
    }
    counts = ingest(lake, write_log(tmp_path, files))
    table = read(lake, "click_log_files")
    assert [Path(name).name for name in table["file"]] == sorted(files)
    assert (table["events_read"] == table["accepted"] + table["duplicates"] + table["rejected"]).all()
    assert counts.read == counts.accepted + counts.duplicates + counts.rejected == table["events_read"].sum()
    assert read(lake, "click_log_rejections").height == counts.rejected
    assert counts.reasons["unreadable_file"] == 3
    assert table["bytes"].to_list() == [len(files[name]) for name in sorted(files)]


def parquet(events: list[Any], **columns: pa.Array) -> bytes:
    """The events as a Parquet file; `columns` replace those of their names."""
    table = pa.Table.from_pylist(events)
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return as_parquet(table)


def as_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("logprob", pa.array([-1.5, -2.5], pa.float16())),
        ("logprob", pa.array([Decimal("-1.5"), Decimal("-2.5")], pa.decimal256(50, 3))),
        (
            "auction",
            pa.array([[{"ad_id": "a0", "bid": 1.5}]] * 2, pa.list_(pa.struct([("ad_id", "str"), ("bid", "float16")]))),
        ),
    ],
    ids=["half float", "wide decimal", "half float in the auction"],
)
def test_numbers_of_any_width_are_read(lake: Lake, tmp_path: Path, name: str, column: pa.Array) -> None:
    content = parquet([answer("r0"), answer("r1")], **{name: column})
    counts = ingest(lake, write_log(tmp_path, {"a.parquet": content, "b.jsonl": json_lines([answer("r2")])}))
    assert (counts.accepted, counts.rejected) == (3, 0)
    answers = read(lake, "click_log_answers")
    expected = {"logprob": [-1.5, -2.5, -1.5], "auction": [[1.5], [1.5], [10.0, 20.0, 30.5]]}[name]
    assert answers.sort("response_id")["bids" if name == "auction" else name].to_list() == expected


MICROSECONDS = int(NOON.timestamp()) * 1_000_000
OUT_OF_RANGE = [
    pa.array([MICROSECONDS] * 2, pa.timestamp("s")),
    pa.array([MICROSECONDS] * 2, pa.timestamp("s", "UTC")),
    pa.array([MICROSECONDS] * 2, pa.timestamp("ms")),
    pa.array([MICROSECONDS] * 2, pa.timestamp("ms", "Europe/Berlin")),
    pa.array([2**63 - 1, -(2**63) + 2], pa.timestamp("us")),
]


@pytest.mark.parametrize("ts", OUT_OF_RANGE, ids=lambda ts: str(ts.type))
def test_times_out_of_range_are_those_of_their_rows(lake: Lake, tmp_path: Path, ts: pa.Array) -> None:
    """Microseconds written as seconds or milliseconds, and what no calendar holds."""
    content = parquet([answer("r0"), answer("r1")], ts=ts)
    counts = ingest(lake, write_log(tmp_path, {"a.parquet": content, "b.jsonl": json_lines([answer("r2")])}))
    assert (counts.accepted, counts.rejected) == (1, 2)
    assert set(counts.reasons) == {"bad_ts"}
    assert read(lake, "click_log_rejections")["line"].to_list() == [1, 2]


def test_one_time_out_of_range_leaves_the_others(lake: Lake, tmp_path: Path) -> None:
    ts = pa.array([int(NOON.timestamp()), MICROSECONDS, None], pa.timestamp("s"))
    content = parquet([answer("r0"), answer("r1"), answer("r2")], ts=ts)
    counts = ingest(lake, write_log(tmp_path, {"a.parquet": content}))
    assert (counts.accepted, dict(counts.reasons)) == (1, {"bad_ts": 1, "missing_field": 1})
    assert read(lake, "click_log_answers")["ts"].to_list() == [NOON]


@pytest.mark.parametrize("error", [duckdb.ConversionException, duckdb.NotImplementedException])
def test_a_file_that_duckdb_refuses_leaves_those_beside_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    refused = pa.timestamp("s", "UTC") if error is duckdb.ConversionException else pa.float16()
    monkeypatch.setattr("llm_auction.click_log.reading._readable", lambda kind: kind)
    name, value = ("ts", MICROSECONDS) if error is duckdb.ConversionException else ("logprob", -1.5)
    content = parquet([answer("r0")], **{name: pa.array([value], refused)})
    counts = ingest(lake, write_log(tmp_path, {"a.parquet": content, "b.jsonl": json_lines([answer("r2")])}))
    assert (counts.accepted, dict(counts.reasons)) == (1, {"unreadable_file": 1})


@pytest.mark.parametrize("error", [duckdb.OutOfMemoryException, duckdb.IOException])
def test_a_lack_of_memory_or_disk_is_not_the_fault_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    source = write_log(tmp_path, {"log.jsonl": json_lines([answer("r0")])})

    def failing(*_: object) -> str:
        raise error("too little")

    with scratch_database(tmp_path / "spill", "1GB") as connection:
        events = ClickLogDay(connection, DAY, ClickLogConfig())
        monkeypatch.setattr("resources.click_log.day.validated", failing)
        with pytest.raises(error):
            events.load(1, find_files(source, DAY)[0])


def test_columns_of_one_name_make_a_file_unreadable(lake: Lake, tmp_path: Path) -> None:
    twice = pa.Table.from_pylist([answer("r0")]).append_column("user_id", pa.array(["u1"]))
    counts = ingest(lake, write_log(tmp_path, {"a.parquet": as_parquet(twice), "b.jsonl": json_lines([answer("r2")])}))
    assert (counts.accepted, dict(counts.reasons)) == (1, {"unreadable_file": 1})
    assert "2 columns are named user_id" in read(lake, "click_log_rejections")["event"].item()


def test_a_file_that_breaks_off_counts_up_to_there(lake: Lake, tmp_path: Path) -> None:
    events = [answer(f"r{number}", query=f"{number} " * 200) for number in range(3000)]
    content = gzip.compress(json_lines(events), compresslevel=1)
    counts = ingest(lake, write_log(tmp_path, {"log.jsonl.gz": content[: len(content) * 3 // 4]}))
    assert counts.reasons == {"unreadable_file": 1}
    assert 1500 < counts.accepted < 3000


def test_a_file_that_changes_is_read_again_and_then_refused(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_log(tmp_path, {"log.jsonl": json_lines([answer("r0")]), "other.jsonl": json_lines([answer("r1")])})
    path = tmp_path / DAY / "log.jsonl"
    opened, still_after = [0], [1]
    original = LogFile.open

    def growing(self: LogFile) -> Any:
        if self.path == str(path):
            opened[0] += 1
            if opened[0] <= still_after[0]:
                path.write_bytes(json_lines([answer(f"r0-{opened[0]}-{number}") for number in range(opened[0])]))
        return original(self)

    monkeypatch.setattr(LogFile, "open", growing)
    assert ingest(lake, source).accepted == 2  # changed once, then held still
    opened[0], still_after[0] = 0, 99
    counts = ingest(lake, source)
    assert (counts.accepted, counts.reasons) == (1, {"file_changed": 1})
    assert read(lake, "click_log_answers")["response_id"].to_list() == ["r1"]


def test_running_a_day_again_gives_the_same_tables_and_picks_up_late_files(lake: Lake, tmp_path: Path) -> None:
    source = write_log(tmp_path, {"log.jsonl": json_lines([answer("r1"), answer("r0"), "{bad"])})
    ingest(lake, source)
    names = ("answers", "clicks", "conversions", "rejections", "files")
    before = {name: lake.data_version(f"click_log_{name}", {"day": DAY}) for name in names}
    ingest(lake, source)
    assert {name: lake.data_version(f"click_log_{name}", {"day": DAY}) for name in names} == before
    write_log(tmp_path, {"late.jsonl": json_lines([click("r0")])})
    assert ingest(lake, source).accepted == 3
    assert lake.data_version("click_log_answers", {"day": DAY}) == before["answers"]


def test_two_runs_of_a_day_at_once_do_not_mix(lake: Lake) -> None:
    refused = pytest.raises(DayInProgressError, match="another run is taking in the files of 2026-01-05: wait")
    with only_run_of(DAY, lake), only_run_of("2026-01-06", lake), refused, only_run_of(DAY, lake):
        pytest.fail("both had it")
    with only_run_of(DAY, lake):
        pass


def test_too_many_rejected_events_fail_with_the_reasons(tmp_path: Path) -> None:
    source = write_log(tmp_path, {"log.jsonl": json_lines([answer("r0"), "{bad", "{bad", click("r0", ad_id="")])})
    with scratch_database(tmp_path / "spill", "1GB") as connection:
        events = ClickLogDay(connection, DAY, ClickLogConfig())
        for number, file in enumerate(find_files(source, DAY)):
            events.load(number, file)
        events.deduplicate()
        events.parse([])
        counts = events.conclude()
    counts.require_acceptable(0.75, DAY)
    with pytest.raises(RejectedShareError, match=r"3 of the 4 events .* 2 x malformed_json .*, 1 x bad_id .*mend"):
        counts.require_acceptable(0.7, DAY)
    assert list((tmp_path / "spill").iterdir()) == []


def test_any_fsspec_url_is_a_source(lake: Lake) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/logs/{DAY}/deep/log.jsonl", json_lines([answer("r0")]))
    try:
        counts = ingest(lake, "memory://logs/{date}/**/*.jsonl")
        assert counts.accepted == 1
        assert read(lake, "click_log_files")["file"].to_list() == [f"memory:///logs/{DAY}/deep/log.jsonl"]
    finally:
        memory.rm("/logs", recursive=True)
