"""Small click logs, hand-made, in the form that docs/click-log.md describes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from llm_auction.click_log.files import find_files
from llm_auction.market import Ad
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log import ClickLogDay, DayCounts, scratch_database
from resources.lake import Lake

DAY = "2026-01-05"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ADS = tuple(Ad(f"a{number}", f"Title {number}", "Things", advertiser=f"shop{number}") for number in range(3))
Event = dict[str, Any]


def answer(response_id: str, ads: Iterable[str] = ("a0",), ts: object = NOON, **changes: Any) -> Event:
    """An answer that inserts `ads`; bids are 10, 20, 30.5. A change to None leaves the field out."""
    titles = {ad.ad_id: ad.title for ad in ADS}
    event = {
        "schema_version": 1,
        "event": "answer",
        "event_id": f"answer-{response_id}",
        "ts": stamp(ts),
        "response_id": response_id,
        "policy_version": "v1",
        "query_id": "q0",
        "query": "What?",
        "user_id": "u0",
        "profile": "Someone.",
        "answer": "Take " + " or ".join(f"@{titles[ad_id]}@[Ad-{ad_id}]" for ad_id in ads) + ".",
        "auction": [{"ad_id": ad.ad_id, "bid": bid} for ad, bid in zip(ADS, (10.0, 20.0, 30.5), strict=True)],
        "sampling": {"temperature": 0.7, "top_p": 0.8, "top_k": 20},
        "logprob": -1.5,
    }
    return _changed(event, changes)


def click(response_id: str, ad_id: str = "a0", ts: object = NOON + timedelta(seconds=9), **changes: Any) -> Event:
    event = {
        "schema_version": 1,
        "event": "click",
        "event_id": f"click-{response_id}-{ad_id}",
        "ts": stamp(ts),
        "response_id": response_id,
        "ad_id": ad_id,
    }
    return _changed(event, changes)


def conversion(
    response_id: str, ad_id: str = "a0", ts: object = NOON + timedelta(hours=1), value: object = 5.0, **changes: Any
) -> Event:
    event = {
        "schema_version": 1,
        "event": "conversion",
        "event_id": f"conversion-{response_id}-{ad_id}-{stamp(ts)}",
        "ts": stamp(ts),
        "response_id": response_id,
        "ad_id": ad_id,
        "value": value,
    }
    return _changed(event, changes)


def stamp(ts: object) -> object:
    """A time as the contract writes it; anything else as it is."""
    return ts.isoformat().replace("+00:00", "Z") if isinstance(ts, datetime) else ts


def json_lines(events: Iterable[Event | str]) -> bytes:
    """Events as JSON Lines; a text stands for itself."""
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return "".join(f"{line}\n" for line in lines).encode()


def write_log(folder: Path, files: Mapping[str, bytes], day: str = DAY) -> str:
    """Write the files of one day of delivery below `folder`; returns the source to configure."""
    for name, content in files.items():
        path = folder / day / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return f"{folder}/{{date}}/*"


def catalog_frame(ads: Iterable[Ad] = ADS) -> pl.DataFrame:
    """The table `ad_catalog`."""
    rows = [{name: getattr(ad, name) for name in Ad.__slots__} for ad in ads]
    return pl.DataFrame(rows, schema_overrides={"bid_low": pl.Int64, "bid_high": pl.Int64})


def ingest(
    lake: Lake, source: str, day: str = DAY, config: ClickLogConfig | None = None, ads: Iterable[Ad] = ADS
) -> DayCounts:
    """What the asset `click_log` does, without Dagster."""
    config = config or ClickLogConfig()
    with scratch_database(Path(lake.data_dir) / "spill", config.memory_limit) as connection:
        events = ClickLogDay(connection, day, config)
        for number, file in enumerate(find_files(source, day)):
            events.load(number, file)
        events.deduplicate()
        events.parse(ads)
        counts = events.conclude()
        events.write(lake)
    return counts


def read(lake: Lake, table: str, day: str = DAY) -> pl.DataFrame:
    """A table of one day."""
    return lake.read(table, {"day": day})


def _changed(event: Event, changes: Mapping[str, Any]) -> Event:
    return {name: value for name, value in {**event, **changes}.items() if value is not None}
