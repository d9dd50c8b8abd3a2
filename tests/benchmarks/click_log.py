"""Real click logs, from files to labelled impressions, against DuckDB reading the same files and writing Parquet.

A synthetic day: N impressions, one an answer, a click on every third, one event in a hundred delivered twice.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

from tests.benchmarks.click_log_process import ADS, DAY
from tests.benchmarks.records import Record, device_name

FILES, CANDIDATES = 8, 10
MEMORY_LIMITS = {"": "4GB", "-1GB": "1GB"}
BASELINE = "DuckDB scan and write"


def click_log_records(folder: Path, impressions: int, known: Collection[str]) -> Iterator[Record]:
    """Impressions a second from files to labels and of the files' reading alone, and peak memory; also with 1 GB."""
    names = {f"click_log/{impressions}{part}{limit}" for limit in MEMORY_LIMITS for part in ("", "-ingest", "-peak")}
    if names <= set(known):
        return
    write_day(folder / "log" / DAY, impressions)
    plain = _side("plain", folder, "4GB")
    for name, limit in MEMORY_LIMITS.items():
        ours = _side("ours", folder, limit)
        whole = ours["ingest_seconds"] + ours["models_seconds"]
        for part, seconds in (("", whole), ("-ingest", ours["ingest_seconds"])):
            value, against = impressions / seconds, impressions / plain["seconds"]
            case = f"click_log/{impressions}{part}{name}"
            yield Record(
                "click_log", case, value, "impressions/s", against, value / against, device_name(), None, BASELINE
            )
        peak = max(ours["ingest_bytes"], ours["models_bytes"])
        case = f"click_log/{impressions}-peak{name}"
        yield Record("click_log", case, peak, "B", plain["bytes"], plain["bytes"] / peak, device_name(), None, BASELINE)


def write_day(folder: Path, impressions: int) -> None:
    """The files of the day, as JSON Lines."""
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        for number in range(FILES):
            first, last = impressions * number // FILES, impressions * (number + 1) // FILES
            connection.execute(f"""
                copy (
                    with answers as (
                        select i, hash(i) as h, i % {ADS} as ad,
                            timestamp '{DAY}' + to_microseconds((i * 86_000_000_000 // {impressions})::bigint) as given
                        from range({first}, {last}) numbers(i)
                    ),
                    events as (
                        select i, 0 as turn, to_json({{
                            'schema_version': 1, 'event': 'answer', 'event_id': 'a' || i,
                            'ts': strftime(given, '%Y-%m-%dT%H:%M:%S.%fZ'), 'response_id': 'r' || i,
                            'policy_version': 'p1', 'query_id': 'q' || h % 50_000,
                            'query': 'How do I keep coffee number ' || h % 50_000 || ' hot on a train?',
                            'user_id': 'u' || h % (1 + {impressions} // 10),
                            'profile': 'Commutes by train; likes coffee, cooking and number ' || h % 100 || '.',
                            'answer': 'A tight lid and a warm cup help most: pre-heat it with boiling water. A @Title '
                                || ad || '@[Ad-' || ad || '] does it well and costs little. Answer ' || i || ' ends.',
                            'auction': list_transform(range({CANDIDATES}), lambda k: {{
                                'ad_id': ((ad + k) % {ADS})::varchar, 'bid': 1 + (h + k) % 100
                            }}),
                            'sampling': {{'temperature': 0.7, 'top_p': 0.8, 'top_k': 20}},
                            'logprob': -12.5 - h % 100 / 10
                        }}) as event
                        from answers
                        union all
                        select i, 1 as turn, to_json({{
                            'schema_version': 1, 'event': 'click', 'event_id': 'c' || i,
                            'ts': strftime(given + interval 20 seconds, '%Y-%m-%dT%H:%M:%S.%fZ'),
                            'response_id': 'r' || i,
                            'ad_id': ad::varchar
                        }}) as event
                        from answers where h % 3 = 0
                    )
                    select event::json as event from (
                        from events union all from events where i % 100 = 0
                    ) order by i, turn
                ) to '{folder}/part-{number}.jsonl'
                (format csv, header false, delimiter '\x1f', quote '', escape '')
            """)


def _side(side: str, folder: Path, memory_limit: str) -> dict[str, float]:
    """Measure one side in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "tests.benchmarks.click_log_process", side, str(folder), memory_limit]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{side} with {memory_limit}:\n{error.stdout}\n{error.stderr}") from error
    finally:
        shutil.rmtree(folder / "data", ignore_errors=True)
    return json.loads(done.stdout.splitlines()[-1])
