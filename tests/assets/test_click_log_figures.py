"""The guards of real logs: what is out of the ordinary fails its own expectation, and chance does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import polars as pl
import pytest

from assets.click_log_checks import _parameters
from assets.click_log_figures import (
    click_log_impression_figures,
    click_log_response_figures,
    day_figures,
    delivery_figures,
    trailing_days,
)
from assets.expectations import load_suite, verdicts
from assets.known_ads import remember_ads
from llm_auction.profiles.schema import ClickLogGuardsConfig, Profile
from resources.click_log import scratch_database
from resources.lake import Lake
from resources.warehouse import Warehouse
from tests.click_logs import ADS, NOON, answer, catalog_frame, click, conversion, ingest, json_lines, write_log

DAY = date(2026, 1, 9)
GUARDS = ClickLogGuardsConfig()
# A usual day: 2 answers in 100 have a format error, 3 impressions in 10 are clicked on the same day.
USUAL = {
    "responses": 1000,
    "impressions": 1000,
    "same_day_clicks": 300,
    "responses_with_format_error": 20,
    "events_read": 1400,
    "events_accepted": 1300,
    "events_duplicate": 70,
    "events_rejected": 30,
}


def failed(table: str, figures: dict[str, float]) -> set[str]:
    parameters = _parameters(Profile(name="test"))
    judged = verdicts(load_suite(table), pl.DataFrame(), figures, parameters)
    return {verdict.column for verdict in judged if not verdict.passed}


def warehouse_with(
    folder: Path,
    today: dict[str, Any],
    trailing: int = 7,
    changes: str = "true",
    yesterday: Mapping[str, int] = MappingProxyType({}),
) -> Warehouse:
    """A warehouse that holds `trailing` usual days, but for `yesterday`, and the day by `today`.

    `changes` is a statement that spoils the modelled rows.
    """
    days = [{"day": DAY - timedelta(days=number), **USUAL} for number in range(1, trailing + 1)]
    days[0].update(yesterday)
    rows = pl.DataFrame([*days, {"day": DAY, **USUAL, **today}])  # noqa: F841  DuckDB finds it by its name
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create table agg_click_log_days as from rows")
        connection.execute("""
            create table fct_click_log_responses as
            select day, 'r' || i as response_id, 'q' as query_id, 'u' as user_id, 'text' as answer,
                -1.0::double as logprob, ['a0'] as inserted_ad_ids, i < responses_with_format_error
                as has_format_error, (i < same_day_clicks)::int * 2.5::double as revenue
            from (select *, unnest(range(responses)) as i from agg_click_log_days)
        """)
        connection.execute("""
            create table fct_click_log_impressions as
            select day, response_id, 'a0' as ad_id, user_id, 'v1' as policy_version, now() as ts, 2.5::double as bid,
                revenue > 0 as clicked, day::timestamp at time zone 'UTC' as clicked_at, revenue, false as converted,
                5.0::double as seconds_to_click, false as is_excluded
            from fct_click_log_responses
        """)
        connection.execute("create table rejected_click_log_events (day date, rejection_reason varchar)")
        connection.execute(f"select {changes}" if changes == "true" else changes)
    return Warehouse(data_dir=str(folder))


def all_failed(warehouse: Warehouse) -> set[str]:
    day = DAY.isoformat()
    return (
        failed("fct_click_log_impressions", click_log_impression_figures(warehouse, day, GUARDS))
        | failed("fct_click_log_responses", click_log_response_figures(warehouse, day, GUARDS))
        | failed("agg_click_log_days", day_figures(warehouse, day, GUARDS))
    )


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ({}, set()),
        ({"same_day_clicks": 600}, {"ctr_ratio_low"}),
        ({"same_day_clicks": 90}, {"ctr_ratio_high"}),
        ({"responses_with_format_error": 200}, {"format_error_rise"}),
        ({"responses": 400, "impressions": 400, "same_day_clicks": 120}, {"volume_ratio"}),
        ({"responses": 2500, "impressions": 2500, "same_day_clicks": 750}, {"volume_ratio"}),
        ({"events_rejected": 31}, {"unaccounted_events"}),
        ({"events_rejected": 130, "events_accepted": 1200}, {"rejected_share"}),
        # Ten impressions say nothing of a rate.
        (
            {"responses": 10, "impressions": 10, "same_day_clicks": 6, "responses_with_format_error": 1},
            {"volume_ratio"},
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_day_is_compared_with_the_trailing_ones(tmp_path: Path, today: dict[str, int], expected: set[str]) -> None:
    assert all_failed(warehouse_with(tmp_path, today)) == expected


@pytest.mark.parametrize("field", ["same_day_clicks", "responses_with_format_error"])
def test_a_broken_day_does_not_become_what_is_usual(tmp_path: Path, field: str) -> None:
    """The day before was refused: ten times the volume, and nearly every answer clicked and with a format error."""
    broken = {"responses": 10_000, "impressions": 10_000, field: 9_000}
    assert all_failed(warehouse_with(tmp_path, {}, yesterday=broken)) == set()
    worse = {"same_day_clicks": (600, "ctr_ratio_low"), "responses_with_format_error": (220, "format_error_rise")}
    (tmp_path / "worse").mkdir()
    value, expected = worse[field]
    found = all_failed(warehouse_with(tmp_path / "worse", {field: value}, yesterday=broken))
    assert found == {expected}


def test_what_a_filter_excluded_does_not_move_the_click_rate(tmp_path: Path) -> None:
    """A click farm that clicks on a fifth of the impressions, and is known for one."""
    farm = "update fct_click_log_impressions set is_excluded = true, clicked = true, revenue = 2.5"
    warehouse = warehouse_with(tmp_path, {}, changes=f"{farm} where day = '{DAY}' and response_id >= 'r8'")
    figures = click_log_impression_figures(warehouse, DAY.isoformat(), GUARDS)
    assert figures["excluded_share"] > 0.2
    assert figures["same_day_ctr"] < 0.4
    assert not {"ctr_ratio_low", "ctr_ratio_high"} & failed("fct_click_log_impressions", figures)


def test_with_too_few_days_before_it_nothing_is_compared(tmp_path: Path) -> None:
    today = {"same_day_clicks": 900, "responses_with_format_error": 900, "responses": 1000}
    assert all_failed(warehouse_with(tmp_path, today, trailing=2)) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            f"insert into fct_click_log_impressions from fct_click_log_impressions where day = '{DAY}' limit 1",
            {"repeated_keys"},
        ),
        ("update fct_click_log_impressions set user_id = null where response_id = 'r0'", {"missing_keys"}),
        ("update fct_click_log_impressions set revenue = 1 where response_id = 'r999'", {"wrong_revenue"}),
        ("update fct_click_log_impressions set converted = true where not clicked", {"conversions_without_click"}),
        ("update fct_click_log_impressions set seconds_to_click = -1 where response_id < 'r11'", {"skewed_share_low"}),
        ("update fct_click_log_impressions set is_excluded = response_id > 'r3'", {"excluded_share"}),
        ("delete from fct_click_log_impressions where response_id = 'r999'", {"lost_insertions"}),
        ("update fct_click_log_responses set logprob = null where response_id = 'r0'", {"missing_keys"}),
        (
            "insert into rejected_click_log_events select date '2026-01-09', 'before_answer' from range(50)",
            {"skewed_share_low"},
        ),
    ],
)
def test_what_can_not_be_is_found(tmp_path: Path, change: str, expected: set[str]) -> None:
    found = all_failed(warehouse_with(tmp_path, {}, changes=change))
    # A row too many or too few shows more than once.
    assert expected <= found <= expected | {"lost_insertions", "unequal_revenue", "skewed_share_low"}


def test_a_delivery_is_compared_with_the_trailing_ones(tmp_path: Path) -> None:
    lake = Lake(data_dir=str(tmp_path / "data"))
    lake.write("ad_catalog", catalog_frame())
    remember_ads(lake)
    day = NOON.date().isoformat()

    def deliver(on: str, responses: int, ad_id: str = "a0", policy: str = "v1") -> None:
        ts = NOON - timedelta(days=(NOON.date() - date.fromisoformat(on)).days)
        auction = [{"ad_id": ad_id, "bid": 1}]
        events = [
            answer(f"{on}-{number}", (), ts, auction=auction, policy_version=policy) for number in range(responses)
        ]
        source = write_log(tmp_path / "log", {"log.jsonl": json_lines([*events, click("nobody", ts=ts)])}, on)
        ingest(lake, source, on)

    def figures(*stored: str) -> dict[str, float]:
        with scratch_database(tmp_path / "spill", "500MB") as connection:
            return delivery_figures(connection, lake, day, GUARDS, stored)

    deliver(day, 19)
    assert failed("click_log", figures()) == set()
    for other in trailing_days(day, 3):
        deliver(other, 19)
    usual = figures()
    assert failed("click_log", usual) == set()
    assert (usual["answers"], usual["trailing_days"], usual["volume_ratio"]) == (19, 3, 1.0)
    deliver(day, 4, "unknown", "v2")
    found = figures()
    assert failed("click_log", found) == {"volume_ratio", "unseen_ad_share", "unseen_policy_share"}
    assert (found["volume_ratio"], found["unseen_ad_share"], found["unseen_policy_share"]) == (0.25, 1.0, 1.0)
    assert figures("v2")["unseen_policy_share"] == 0.0, "a version of the model store was deployed on this day"

    deliver(day, 19, "a1")
    lake.write("ad_catalog", catalog_frame(ADS[:1]))
    assert figures()["unseen_ad_share"] == 0.0  # it has left the catalog, and was seen
    source = write_log(tmp_path / "log", {"broken.parquet": b"no"}, day)
    ingest(lake, source, day)
    assert figures()["unreadable_files"] == 1
    assert failed("click_log", figures()) == {"unreadable_files"}


@pytest.mark.parametrize(
    "table", ["click_log_answers", "click_log_clicks", "click_log_conversions", "click_log_rejections"]
)
def test_events_that_are_in_no_table_of_the_day_are_found(tmp_path: Path, table: str) -> None:
    lake, day = Lake(data_dir=str(tmp_path / "data")), NOON.date().isoformat()
    lake.write("ad_catalog", catalog_frame())
    remember_ads(lake)
    answers = [answer(f"r{number}") for number in range(20)]
    events = json_lines([*answers, click("r0"), conversion("r0"), click("r0"), "{bad"])
    ingest(lake, write_log(tmp_path / "log", {"log.jsonl": events}), day)

    def figures() -> dict[str, float]:
        with scratch_database(tmp_path / "spill", "500MB") as connection:
            return delivery_figures(connection, lake, day, GUARDS, ())

    assert figures()["unaccounted_events"] == 0
    rows = lake.read(table, {"day": day})
    lake.write(table, rows.head(rows.height - 1), {"day": day})
    assert figures()["unaccounted_events"] == 1
    assert "unaccounted_events" in failed("click_log", figures())


def test_rejected_events_of_a_refused_run_are_not_those_of_the_day(tmp_path: Path) -> None:
    """A run that rejects too much writes them beside what was taken in before."""
    lake, day = Lake(data_dir=str(tmp_path / "data")), NOON.date().isoformat()
    lake.write("ad_catalog", catalog_frame())
    remember_ads(lake)
    ingest(lake, write_log(tmp_path / "log", {"log.jsonl": json_lines([answer("r0"), "{bad"])}), day)
    rows = lake.read("click_log_rejections", {"day": day})
    lake.write("click_log_rejections", pl.concat([rows, rows]), {"day": day})
    with scratch_database(tmp_path / "spill", "500MB") as connection:
        assert delivery_figures(connection, lake, day, GUARDS, ())["unaccounted_events"] == 0
