"""The files of a day: whatever their format, width or place; broken ones leave those beside them."""

from __future__ import annotations

import gzip
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pytest

from llm_auction.click_log.files import LogFile, find_files
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log import ClickLogDay, scratch_database
from resources.lake import Lake
from tests.click_logs import DAY, NOON, answer, click, conversion, ingest, json_lines, read, write_log


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


def test_a_name_that_is_no_utf_8_is_kept_with_its_escapes(lake: Lake, tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in (b"\xff.jsonl", b"bad\xff.parquet")]
    files = {names[0]: json_lines([answer("r0"), "{bad"]), names[1]: b"nonsense", "z.jsonl": json_lines([answer("r1")])}
    counts = ingest(lake, write_log(tmp_path, files))
    assert (counts.accepted, counts.reasons) == (2, {"malformed_json": 1, "unreadable_file": 1})
    assert set(read(lake, "click_log_files")["file"]) == {
        f"{tmp_path}/{DAY}/{name}" for name in ("\\udcff.jsonl", "bad\\udcff.parquet", "z.jsonl")
    }


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


def test_what_went_wrong_with_a_file_is_kept_without_a_password(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: LogFile) -> Any:
        raise OSError("ftp://me:s3cret@host/log can't be opened")

    monkeypatch.setattr(LogFile, "open", refused)
    counts = ingest(lake, write_log(tmp_path, {"a.jsonl": b"{}\n", "b.parquet": b"?"}))
    assert counts.reasons == {"unreadable_file": 2}
    told = read(lake, "click_log_rejections")["event"].to_list()
    assert all("ftp://***@host/log can't be opened" in what and "s3cret" not in what for what in told)


def test_any_fsspec_url_is_a_source(lake: Lake) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/logs/{DAY}/deep/log.jsonl", json_lines([answer("r0")]))
    try:
        counts = ingest(lake, "memory://logs/{date}/**/*.jsonl")
        assert counts.accepted == 1
        assert read(lake, "click_log_files")["file"].to_list() == [f"memory:///logs/{DAY}/deep/log.jsonl"]
    finally:
        memory.rm("/logs", recursive=True)
