"""A warehouse with some days of real-looking traffic, in the columns of `fct_click_log_*` that are read downstream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from assets.frames import ads_to_frame
from resources.lake import Lake
from tests.llm_auction.pctr.simulated_market import Market, bundled_ads

FIRST = date(2026, 1, 5)


def day_of(number: int) -> str:
    """The partition key of the log's `number`-th day, from 0."""
    return str(FIRST + timedelta(days=number))


def write_days(data_dir: Path, markets: Mapping[int, Market], policy_version: str = "v1") -> None:
    """Write the catalog, and the impressions and responses of each market as one day; replaces what was there.

    Every answer had all ads of the catalog's first half as candidates, at a bid of 12.5, and those that it shows.
    """
    catalog = [ad.ad_id for ad in bundled_ads()]
    Lake(data_dir=str(data_dir)).write("ad_catalog", ads_to_frame(bundled_ads()))
    impressions: list[dict[str, Any]] = []
    responses: dict[str, dict[str, Any]] = {}
    for number, market in markets.items():
        day = FIRST + timedelta(days=number)
        for row, (impression, clicked) in enumerate(zip(market.impressions, market.clicked, strict=True)):
            response_id = f"r-{number}-{row - impression.position}"
            shown = [ad.ad_id for ad in impression.shown]
            candidates = list(dict.fromkeys([*shown, *catalog[:8]]))
            key = {
                "day": day,
                "ts": datetime.combine(day, time(12), UTC),
                "response_id": response_id,
                "user_id": impression.user_id,
                "is_excluded": False,
            }
            impressions.append(
                {
                    **key,
                    "ad_id": impression.ad.ad_id,
                    "position": impression.position + 1,
                    "clicked": bool(clicked),
                }
            )
            responses[response_id] = {
                **key,
                "policy_version": policy_version,
                "query_id": f"q-{impression.user_id}-{impression.query}",
                "query": impression.query,
                "profile": impression.profile,
                "answer": impression.answer,
                "candidate_ad_ids": candidates,
                "bids": [12.5] * len(candidates),
                "inserted_ad_ids": shown,
                "format_errors": 0,
                "logprob": -20.0,
                "temperature": 0.7,
                "top_p": 0.8,
                "top_k": 20,
            }
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        for table, rows in (
            ("fct_click_log_impressions", impressions),
            ("fct_click_log_responses", list(responses.values())),
        ):
            connection.register("frame", pl.DataFrame(rows).to_arrow())
            connection.execute(f"create or replace table {table} as select * from frame order by random()")
            connection.unregister("frame")


def edit(data_dir: Path, sql: str) -> None:
    """Change the tables, as a day that is modelled again would."""
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.execute(sql)
