"""A warehouse with some days of real-looking traffic, in the columns of `fct_click_log_*` that the refit reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
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


def write_days(data_dir: Path, markets: Mapping[int, Market]) -> None:
    """Write the catalog, and the impressions and responses of each market as one day; replaces what was there."""
    Lake(data_dir=str(data_dir)).write("ad_catalog", ads_to_frame(bundled_ads()))
    impressions: list[dict[str, Any]] = []
    responses: dict[str, dict[str, Any]] = {}
    for number, market in markets.items():
        day = FIRST + timedelta(days=number)
        for row, (impression, clicked) in enumerate(zip(market.impressions, market.clicked, strict=True)):
            response_id = f"r-{number}-{row - impression.position}"
            key = {"day": day, "response_id": response_id, "user_id": impression.user_id}
            impressions.append(
                {
                    **key,
                    "ad_id": impression.ad.ad_id,
                    "position": impression.position + 1,
                    "clicked": bool(clicked),
                    "is_excluded": False,
                }
            )
            responses[response_id] = {
                **key,
                "query": impression.query,
                "profile": impression.profile,
                "answer": impression.answer,
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
