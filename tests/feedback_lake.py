"""A small lake with hand-made feedback, in the layout that the assets write: two queries, three ads, six answers.

Answer k of a query inserts k of its two ads (k = 0, 1, 2); the first inserted ad is clicked. So one partition holds 6
answers, 6 impressions and 4 clicks (CTR 2/3), of which one is followed by a conversion, two hours later; bids are 10,
20, 30 and the first inserted ad is the one at 30.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from assets.feedback_events import CLICK_COLUMNS, CONVERSION_COLUMNS, RESPONSE_COLUMNS
from resources.lake import Lake

ADS = ("a0", "a1", "a2")
QUERIES = ("q0", "q1")
START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = {
    "ad_responses": RESPONSE_COLUMNS,
    "click_feedback": CLICK_COLUMNS,
    "conversion_feedback": CONVERSION_COLUMNS,
}
Row = dict[str, Any]
Change = Callable[[list[Row], list[Row]], None]


def small_lake(data_dir: Path) -> Lake:
    """A lake that holds the catalog and the queries, and no feedback yet."""
    lake = Lake(data_dir=str(data_dir))
    lake.write("ad_catalog", pl.DataFrame([_ad(ad_id) for ad_id in ADS], schema_overrides=_BIDS))
    lake.write("user_queries", pl.DataFrame([_query(query_id) for query_id in QUERIES]))
    return lake


def write_feedback(lake: Lake, arm: str = "llm_auction", iteration: str = "01", change: Change | None = None) -> None:
    """Write answers, clicks and a conversion of one partition; `change` edits the rows of the first two before."""
    answers = [_answer(arm, iteration, query_id, k) for query_id in QUERIES for k in range(3)]
    clicks = [
        _click(answer, ad_id, clicked=position == 0)
        for answer in answers
        for position, ad_id in enumerate(answer["inserted_ad_ids"])
    ]
    if change is not None:
        change(answers, clicks)
    write_rows(lake, "ad_responses", answers, arm, iteration)
    write_rows(lake, "click_feedback", clicks, arm, iteration)
    write_rows(lake, "conversion_feedback", [_conversion(arm, iteration)], arm, iteration)


def write_rows(lake: Lake, table: str, rows: Sequence[Row], arm: str, iteration: str) -> None:
    """Write rows as they are, also ones that claim another partition, which `Lake.write` would refuse."""
    schema = COLUMNS[table].schema
    frame = pl.DataFrame(list(rows), schema=schema)
    claimed = frame.select("arm", "iteration")
    honest = frame.with_columns(arm=pl.lit(arm), iteration=pl.lit(iteration))
    path = lake.write(table, honest, {"arm": arm, "iteration": iteration})
    if not claimed.equals(honest.select("arm", "iteration")):
        size = path.stat().st_size
        frame.write_parquet(path)
        marker = path.with_name("_SUCCESS")
        marker.write_text(marker.read_text().replace(f'"bytes": {size}', f'"bytes": {path.stat().st_size}'))


_BIDS = {"bid_low": pl.Int64, "bid_high": pl.Int64}


def _ad(ad_id: str) -> Row:
    return {
        "ad_id": ad_id,
        "title": f"Title {ad_id}",
        "category": "Things",
        "description": "",
        "advertiser": "",
        "bid_low": None,
        "bid_high": None,
    }


def _query(query_id: str) -> Row:
    return {"query_id": query_id, "user_id": f"u{query_id}", "text": "What?", "category": "Things", "split": "train"}


def _answer(arm: str, iteration: str, query_id: str, k: int) -> Row:
    response_id = f"{arm}-{iteration}-{query_id}-{k}"
    return {
        "event_id": f"answer-{response_id}",
        "ts": START,
        "response_id": response_id,
        "policy_version": "v1",
        "arm": arm,
        "iteration": iteration,
        "query_id": query_id,
        "query": "What?",
        "user_id": f"u{query_id}",
        "profile": "Someone.",
        "answer": "This.",
        "candidate_ad_ids": list(ADS),
        "bids": [10, 20, 30],
        "inserted_ad_ids": ["a2", "a0"][:k],
        "format_errors": 0,
        "tokens": 5,
        "logprob": -1.5,
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
        "sample_index": k,
    }


def _click(answer: Row, ad_id: str, *, clicked: bool) -> Row:
    return {
        "event_id": f"click-{answer['response_id']}-{ad_id}",
        "ts": START + timedelta(seconds=5),
        "response_id": answer["response_id"],
        "arm": answer["arm"],
        "iteration": answer["iteration"],
        "ad_id": ad_id,
        "clicked": clicked,
        "click_probability": 0.5,
        "reason": "It fits.",
    }


def _conversion(arm: str, iteration: str) -> Row:
    return {
        "event_id": f"conversion-{arm}-{iteration}",
        "ts": START + timedelta(hours=2),
        "response_id": f"{arm}-{iteration}-q0-1",
        "arm": arm,
        "iteration": iteration,
        "ad_id": "a2",
        "value": 150.0,
    }
