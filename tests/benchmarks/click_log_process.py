"""One side of the click log's benchmark: `python -m tests.benchmarks.click_log_process SIDE FOLDER MEMORY_LIMIT`.

Reads the day below FOLDER/log and prints one JSON line: seconds and peak bytes; ours of the files' reading and of the
models (dbt, in a process of its own) apart.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars as pl

from assets.known_ads import remember_ads
from llm_auction.click_log.files import find_files
from llm_auction.market import Ad
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log import ClickLogDay, scratch_database
from resources.dbt_project import PROJECT_DIR
from resources.lake import Lake

DAY = "2026-01-05"
ADS = 100
COLUMNS = {
    "event": "varchar",
    "event_id": "varchar",
    "ts": "varchar",
    "response_id": "varchar",
    "ad_id": "varchar",
    "policy_version": "varchar",
    "query_id": "varchar",
    "query": "varchar",
    "user_id": "varchar",
    "profile": "varchar",
    "answer": "varchar",
    "auction": "struct(ad_id varchar, bid double)[]",
    "sampling": "struct(temperature double, top_p double, top_k bigint)",
    "logprob": "double",
}


def plain(folder: Path, memory_limit: str) -> dict[str, float]:
    """DuckDB alone: parse the JSON, write Parquet; nothing is judged, deduplicated or joined."""
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    with duckdb.connect(config={"memory_limit": memory_limit, "preserve_insertion_order": False}) as connection:
        started = time.perf_counter()
        connection.execute(f"""
            copy (
                from read_json('{folder}/log/{DAY}/*.jsonl', format = 'newline_delimited', columns = {{{columns}}})
            ) to '{folder}/plain.parquet' (format parquet, compression zstd)
        """)
    return {"seconds": time.perf_counter() - started, "bytes": _peak(resource.RUSAGE_SELF)}


def ours(folder: Path, memory_limit: str) -> dict[str, float]:
    """The asset `click_log` and its models."""
    ads = [Ad(str(number), f"Title {number}", "Things") for number in range(ADS)]
    lake = Lake(data_dir=str(folder / "data"))
    rows = [{name: getattr(ad, name) for name in Ad.__slots__} for ad in ads]
    lake.write("ad_catalog", pl.DataFrame(rows, schema_overrides={"bid_low": pl.Int64, "bid_high": pl.Int64}))
    remember_ads(lake)
    started = time.perf_counter()
    with scratch_database(folder / "data" / "spill", memory_limit) as connection:
        events = ClickLogDay(connection, DAY, ClickLogConfig())
        for number, file in enumerate(find_files(f"{folder}/log/{{date}}/*", DAY)):
            events.load(number, file)
        events.deduplicate()
        events.parse(ads)
        counts = events.conclude()
        events.write(lake)
    assert counts.rejected == 0, counts
    ingested = time.perf_counter()
    ingest_bytes = _peak(resource.RUSAGE_SELF)
    variables = {"data_dir": str(folder / "data"), "day": DAY, "memory_limit": memory_limit}
    places = ["--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR, "--target-path", folder / "data" / "target"]
    dbt = [sys.executable, "-m", "resources.dbt_process"]
    command = [*dbt, "run", "--select", "tag:production", *places, "--log-path", folder / "data" / "target"]
    subprocess.run([*map(str, command), "--vars", json.dumps(variables)], check=True)
    return {
        "ingest_seconds": ingested - started,
        "models_seconds": time.perf_counter() - ingested,
        "ingest_bytes": ingest_bytes,
        "models_bytes": _peak(resource.RUSAGE_CHILDREN),
    }


def _peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss * 1024.0


if __name__ == "__main__":
    side = {"plain": plain, "ours": ours}[sys.argv[1]]
    print(json.dumps(side(Path(sys.argv[2]), sys.argv[3])))
