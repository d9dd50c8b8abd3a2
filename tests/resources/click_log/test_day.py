"""One day of delivery: no event is lost, running it again changes nothing, and two runs of it do not mix."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from llm_auction.click_log.files import find_files
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log import (
    ClickLogDay,
    DayInProgressError,
    RejectedShareError,
    only_run_of,
    scratch_database,
)
from resources.lake import Lake
from tests.click_logs import DAY, answer, click, ingest, json_lines, read, write_log


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
