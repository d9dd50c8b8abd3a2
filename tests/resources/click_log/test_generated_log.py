"""A generated log with every fault in it: each bad event is caught for its reason and in its place, and no good one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from llm_auction.traffic import TrafficConfig
from resources.lake import Lake
from tests.click_logs import ingest
from tests.generated_logs import FIRST_DAY, every_fault, faults_of, small_audience, write_log

# What shows only among other days' events; the models judge it.
AMONG_OTHERS = {
    "duplicate_response_id",
    "unknown_response",
    "ad_not_inserted",
    "before_answer",
    "outside_window",
    "conversion_without_click",
}


@pytest.mark.parametrize("log_format", ["jsonl.gz", "parquet"])
def test_every_fault_is_caught_in_its_place_and_nothing_else(tmp_path: Path, log_format: str) -> None:
    log, lake = tmp_path / "log", Lake(data_dir=str(tmp_path / "data"))
    write_log(log, format=log_format, days=2, answers_per_day=250, faults=every_fault())
    rules = TrafficConfig(first_day=FIRST_DAY).rules
    found = set()
    for number in range(2):
        day = (FIRST_DAY + timedelta(days=number)).isoformat()
        counts = ingest(lake, f"{log}/{{date}}/*", day, rules, small_audience().ads)
        assert counts.read == counts.accepted + counts.duplicates + counts.rejected
        rejected = lake.read("click_log_rejections", {"day": day}).select("file", "line", "rejection_reason")
        found |= set(rejected.with_columns(pl.col("file").str.strip_prefix(f"{log}/")).rows())
    injected = {
        (record["file"], record["line"], record["due"])
        for record in faults_of(log)
        if record["due"] not in AMONG_OTHERS | {"accepted", "duplicate"}
    }
    assert len({reason for _, _, reason in injected}) > 10
    assert found == injected
