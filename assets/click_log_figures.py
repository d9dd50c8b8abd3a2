"""Figures that describe one day of real logs as a whole; the suites in `assets/suites` bound them.

DuckDB computes them over the day's tables, so that a day of any size becomes one row. Counts are numbers of offending
rows (0 is good). What is compared with the trailing days is 1 (a ratio) or 0 (a rise) where there are too few of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl

from assets.feedback_figures import rate_figures
from assets.known_ads import known_ads_file
from llm_auction.profiles.schema import ClickLogGuardsConfig
from resources.lake import Lake
from resources.warehouse import Warehouse


def trailing_days(day: str, days: int) -> list[str]:
    """The days before a day, newest first."""
    last = date.fromisoformat(day)
    return [(last - timedelta(days=number)).isoformat() for number in range(1, days + 1)]


def delivery_figures(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    day: str,
    guards: ClickLogGuardsConfig,
    stored_policies: Collection[str],
) -> dict[str, float]:
    """Of `click_log`: what was delivered on the day, against the catalog and the deliveries of the trailing days.

    `stored_policies` are the versions of the model store, which are seen from the day on which they are deployed.
    """
    today = {"day": day}
    before = [
        {"day": other}
        for other in trailing_days(day, guards.trailing_days)
        if lake.exists("click_log_files", {"day": other})
    ]
    totals = _one_row(
        connection,
        """
        select count(*) as files, sum(events_read)::bigint as events_read, sum(accepted)::bigint as accepted,
            sum(duplicates)::bigint as duplicates, sum(rejected)::bigint as rejected
        from read_parquet($files, hive_partitioning = false)
        """,
        files=_file(lake, "click_log_files", today),
    )
    trailing = [
        _one_row(
            connection,
            """
            select coalesce(sum(accepted), 0)::bigint as accepted
            from read_parquet($files, hive_partitioning = false)
            """,
            files=_file(lake, "click_log_files", partition),
        )["accepted"]
        for partition in before
    ]
    answers = _one_row(
        connection,
        """
        with answers as (from read_parquet($answers, hive_partitioning = false)),
        candidates as (
            select ad_id, count(*) as times from (select unnest(candidate_ad_ids) as ad_id from answers) group by ad_id
        )
        select
            (select count(*) from answers) as answers,
            (select count(*) - count(distinct event_id) from answers) as repeated_event_ids,
            (select coalesce(sum(times), 0)::bigint from candidates) as candidates,
            (
                select coalesce(sum(times), 0)::bigint from candidates anti join read_parquet($catalog) using (ad_id)
            ) as unseen_ads
        """,
        answers=_file(lake, "click_log_answers", today),
        catalog=str(known_ads_file(lake)),
    )
    faulty = _one_row(
        connection,
        """
        select count(*) filter (rejection_reason = 'file_changed') as changed_files,
            count(*) filter (rejection_reason = 'unreadable_file') as unreadable_files
        from read_parquet($rejections, hive_partitioning = false)
        """,
        rejections=_file(lake, "click_log_rejections", today),
    )
    unseen_policies = 0.0
    if _comparable(before, guards) and answers["answers"]:
        unseen_policies = _one_row(
            connection,
            """
            select avg((
                not list_contains($stored::varchar[], policy_version)
                and policy_version not in (
                    select distinct policy_version from read_parquet($before, hive_partitioning = false)
                )
            )::int) as share
            from read_parquet($answers, hive_partitioning = false)
            """,
            before=[_file(lake, "click_log_answers", partition) for partition in before],
            answers=_file(lake, "click_log_answers", today),
            stored=sorted(stored_policies),
        )["share"]
    return {
        "answers": answers["answers"],
        "files": totals["files"],
        "changed_files": faulty["changed_files"],
        "unreadable_files": faulty["unreadable_files"],
        "unaccounted_events": _unaccounted(connection, lake, today, totals),
        "repeated_event_ids": answers["repeated_event_ids"],
        "trailing_days": len(before),
        "volume_ratio": _ratio_to_median(totals["accepted"], trailing, guards),
        "rejected_share": _share(totals["rejected"], totals["events_read"]),
        "duplicate_share": _share(totals["duplicates"], totals["events_read"]),
        "unseen_ad_share": _share(answers["unseen_ads"], answers["candidates"]),
        "unseen_policy_share": unseen_policies,
    }


def _unaccounted(
    connection: duckdb.DuckDBPyConnection, lake: Lake, today: Mapping[str, str], totals: Mapping[str, int]
) -> int:
    """Events that were read and are neither duplicates nor rows of the day's tables, where each counts for itself.

    More rejected rows than the day's files have are those of a later run that was refused.
    """

    def rows(*tables: str) -> int:
        files = [_file(lake, table, today) for table in tables]
        query = "select sum(num_rows)::bigint as rows from parquet_file_metadata($files)"
        return int(_one_row(connection, query, files=files)["rows"])

    accepted = rows("click_log_answers", "click_log_clicks", "click_log_conversions")
    return (
        abs(totals["events_read"] - totals["accepted"] - totals["duplicates"] - totals["rejected"])
        + abs(totals["accepted"] - accepted)
        + max(0, totals["rejected"] - rows("click_log_rejections"))
    )


def click_log_impression_figures(warehouse: Warehouse, day: str, guards: ClickLogGuardsConfig) -> dict[str, float]:
    """Of `fct_click_log_impressions`: keys, clock skew, exclusions, and CTR against the trailing days."""
    row = _modelled(
        warehouse,
        """
        select
            count(*) as impressions,
            count(*) - count(distinct (response_id, ad_id)) as repeated_keys,
            count(*) filter (
                response_id is null or ad_id is null or user_id is null or policy_version is null or ts is null
                or clicked is null or bid is null
            ) as missing_keys,
            count(*) filter (clicked) as clicks,
            count(*) filter (bid < 0 or not isfinite(bid) or revenue <> bid * clicked::int) as wrong_revenue,
            count(*) filter (converted and not clicked) as conversions_without_click,
            count(*) filter (seconds_to_click < 0) as skewed_clicks,
            count(*) filter (is_excluded) as excluded,
            (
                select coalesce(sum(len(inserted_ad_ids)), 0)::bigint from fct_click_log_responses where day = $day
            ) as inserted,
            (
                select count(*) from rejected_click_log_events
                where day = $day and rejection_reason = 'before_answer'
            ) as refused_for_skew
        from fct_click_log_impressions where day = $day
        """,
        day,
    )
    rates = _same_day_clicks(warehouse, day, guards)
    is_today = pl.col("day") == date.fromisoformat(day)
    today, trailing = rates.filter(is_today), rates.filter(~is_today)
    now = rate_figures("same_day_ctr", int(today["clicks"].sum()), int(today["impressions"].sum()))
    usual = _median(trailing["clicks"] / trailing["impressions"])
    compared = _comparable(trailing, guards) and usual > 0
    skewed = row["skewed_clicks"] + row["refused_for_skew"]
    return {
        "impressions": row["impressions"],
        "lost_insertions": abs(row["inserted"] - row["impressions"]),
        **{name: row[name] for name in ("repeated_keys", "missing_keys", "wrong_revenue", "conversions_without_click")},
        **rate_figures("skewed_share", skewed, row["clicks"] + row["refused_for_skew"]),
        "excluded_share": _share(row["excluded"], row["impressions"]),
        "ctr": _share(row["clicks"], row["impressions"]),
        **now,
        "trailing_days": trailing.height,
        "trailing_same_day_ctr": usual,
        "ctr_ratio_low": now["same_day_ctr_low"] / usual if compared else 1.0,
        "ctr_ratio_high": now["same_day_ctr_high"] / usual if compared else 1.0,
    }


def click_log_response_figures(warehouse: Warehouse, day: str, guards: ClickLogGuardsConfig) -> dict[str, float]:
    """Of `fct_click_log_responses`: keys, revenue, volume and format errors against the trailing days."""
    row = _modelled(
        warehouse,
        """
        with shown as (
            select response_id, round(sum(revenue), 6) as of_impressions
            from fct_click_log_impressions where day = $day group by response_id
        )
        select
            count(*) as responses,
            count(*) - count(distinct response_id) as repeated_keys,
            count(*) filter (
                response_id is null or query_id is null or user_id is null or answer is null or logprob is null
            ) as missing_keys,
            count(*) filter (revenue <> coalesce(of_impressions, 0)) as unequal_revenue,
            count(*) filter (has_format_error) as with_format_error
        from (select * from fct_click_log_responses where day = $day) left join shown using (response_id)
        """,
        day,
    )
    _, trailing = _days(warehouse, day, guards)
    usual = _median(trailing["responses_with_format_error"] / trailing["responses"])
    now = rate_figures("format_error_rate", row["with_format_error"], row["responses"])
    compared = _comparable(trailing, guards)
    return {
        **{name: row[name] for name in ("responses", "repeated_keys", "missing_keys", "unequal_revenue")},
        **now,
        "trailing_days": trailing.height,
        "trailing_format_error_rate": usual,
        "format_error_rise": now["format_error_rate_low"] - usual if compared else 0.0,
        "volume_ratio": _ratio_to_median(row["responses"], trailing["responses"].to_list(), guards),
    }


def day_figures(warehouse: Warehouse, day: str, guards: ClickLogGuardsConfig) -> dict[str, float]:
    """Of `agg_click_log_days`: what became of the deliveries of the day once they were put together."""
    today, _ = _days(warehouse, day, guards)
    accounted = today["events_accepted"] + today["events_duplicate"] + today["events_rejected"]
    return {
        "events_read": today["events_read"],
        "unaccounted_events": abs(today["events_read"] - accounted),
        "rejected_share": _share(today["events_rejected"], today["events_read"]),
        "duplicate_share": _share(today["events_duplicate"], today["events_read"]),
    }


def _days(warehouse: Warehouse, day: str, guards: ClickLogGuardsConfig) -> tuple[dict[str, Any], pl.DataFrame]:
    """The row of a day, and those of the trailing days that have answers."""
    first = trailing_days(day, guards.trailing_days)[-1]
    rows = warehouse.query("select * from agg_click_log_days where day between ? and ?", [first, day])
    is_today = pl.col("day") == date.fromisoformat(day)
    return rows.filter(is_today).row(0, named=True), rows.filter(~is_today & (pl.col("responses") > 0))


def _same_day_clicks(warehouse: Warehouse, day: str, guards: ClickLogGuardsConfig) -> pl.DataFrame:
    """Impressions of a day and of the trailing ones that no filter excluded, and their clicks on the same day.

    Clicks of later days are left out, so that a day which is over compares with one that has waited for them.
    """
    return warehouse.query(
        """
        select
            day,
            count(*) as impressions,
            count(*) filter (clicked and clicked_at < (day + 1)::timestamp at time zone 'UTC') as clicks
        from fct_click_log_impressions
        where day between ? and ? and not is_excluded
        group by day
        """,
        [trailing_days(day, guards.trailing_days)[-1], day],
    )


def _modelled(warehouse: Warehouse, query: str, day: str) -> dict[str, Any]:
    return warehouse.query(query.replace("$day", "?"), [day] * query.count("$day")).row(0, named=True)


def _one_row(connection: duckdb.DuckDBPyConnection, query: str, **params: Any) -> dict[str, Any]:
    return connection.execute(query, params).pl().row(0, named=True)


def _file(lake: Lake, table: str, partition: Mapping[str, str]) -> str:
    return str(lake.file(table, partition))


def _comparable(before: pl.DataFrame | Sequence[Any], guards: ClickLogGuardsConfig) -> bool:
    return len(before) >= guards.min_trailing_days


def _ratio_to_median(value: float, before: Sequence[float], guards: ClickLogGuardsConfig) -> float:
    median = _median(pl.Series(before, dtype=pl.Float64))
    return value / median if _comparable(before, guards) and median else 1.0


def _median(daily: pl.Series) -> float:
    """What is usual: unlike their total, neither one big day nor one that a guard refused moves it much."""
    return float(daily.median() or 0.0)  # type: ignore[arg-type]


def _share(value: Any, of: Any) -> float:
    return float(value) / float(of) if of else 0.0
