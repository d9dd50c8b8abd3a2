"""Which days' answers a delivery is about, and which deliveries the tables of a day hold.

A conversion may come a month after its answer. With what is kept here, the day of that answer is modelled again where
something new is known of it, and no other day is.

`click_log_answer_days` has a row for each day of answers that a day of delivery is about: by clicks and conversions, or
by answers of another day than its own. It has a fingerprint of these events. `click_log_modelled` keeps, for a day of
answers, those that its tables hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import polars as pl

from llm_auction.profiles.schema import ClickLogConfig
from resources.lake import Lake

TABLE = "click_log_answer_days"
MODELLED = "click_log_modelled"


def days_about(config: ClickLogConfig) -> int:
    """How many days after a day of answers a delivery can still be about them."""
    return config.conversion_days + config.lateness_days + 1


def answers_before(lake: Lake, day: str, config: ClickLogConfig) -> str:
    """A query for `response_id` and `ts` of the answers that events delivered on `day` can be about, but its own."""
    latest = date.fromisoformat(day)
    before = [latest - timedelta(days=number) for number in range(1, days_about(config) + 1)]
    files = [
        str(lake.file("click_log_answers", {"day": str(other)})).replace("'", "''")
        for other in before
        if lake.exists("click_log_files", {"day": str(other)})
    ]
    if not files:
        return "select null::varchar as response_id, null::timestamptz as ts where false"
    listed = ", ".join(f"'{file}'" for file in files)
    return f"select response_id, ts from read_parquet([{listed}], hive_partitioning = false)"


def answer_days(day: str, config: ClickLogConfig) -> str:
    """The query for the rows of a day of delivery, from `accepted` (its events) and `answered_before`.

    Clicks and conversions count within their windows.
    """
    return f"""
        with referring as (
            select event, event_id, response_id, ad_id, value, ts from accepted where event <> 'answer'
        ),
        answered as (
            select response_id, min(ts) as ts
            from (
                select response_id, ts from accepted where event = 'answer'
                union all
                select response_id, ts from answered_before
            )
            where response_id in (select response_id from referring)
            group by response_id
        ),
        about as (
            select (answered.ts at time zone 'UTC')::date as answered_on, event, event_id, ad_id, referring.ts, value
            from referring join answered using (response_id)
            where referring.ts <= answered.ts + case event
                when 'click' then to_hours({config.attribution_hours}) else to_days({config.conversion_days})
            end
            union all
            select (ts at time zone 'UTC')::date as answered_on, event, event_id, null, ts, null
            from accepted where event = 'answer' and (ts at time zone 'UTC')::date <> '{day}'::date
        )
        select answered_on,
            count(*) filter (event = 'answer') as answers,
            count(*) filter (event = 'click') as clicks,
            count(*) filter (event = 'conversion') as conversions,
            -- of all events in whatever order
            bit_xor(md5_number(concat_ws(' ', event_id, ad_id, ts, value)))::varchar as fingerprint
        from about group by answered_on order by answered_on"""


def deliveries_about(lake: Lake, delivered: Iterable[date]) -> dict[date, dict[date, str]]:
    """Day of answers -> day of delivery -> fingerprint of the events about these answers, of some days of delivery."""
    about: dict[date, dict[date, str]] = {}
    for day in delivered:
        partition = {"day": str(day)}
        # What was taken in by an earlier release has no such table.
        if lake.exists("click_log_files", partition) and lake.exists(TABLE, partition):
            for answered_on, fingerprint in lake.read(TABLE, partition).select("answered_on", "fingerprint").rows():
                about.setdefault(answered_on, {})[day] = fingerprint
    return about


def deliveries_to_model(lake: Lake, day: date, config: ClickLogConfig) -> dict[date, str]:
    """The deliveries that the tables of a day of answers hold when they are made now, with their fingerprints."""
    # From the day before on: clocks may be ahead of a midnight.
    near = (day + timedelta(days=number) for number in range(-1, days_about(config) + 1))
    return deliveries_about(lake, near).get(day, {})


def remember_modelled(lake: Lake, day: date, deliveries: Mapping[date, str]) -> None:
    """Keep which deliveries the tables of a day of answers hold.

    Raises:
        StorageError: the data directory can't be written.
    """
    columns = {"delivered_on": list(deliveries), "fingerprint": list(deliveries.values())}
    frame = pl.DataFrame(columns, schema={"delivered_on": pl.Date, "fingerprint": pl.String})
    lake.write(MODELLED, frame, {"day": str(day)})


def modelled(lake: Lake, day: date) -> dict[date, str]:
    """The deliveries that the tables of a day of answers hold, with their fingerprints; none where nobody knows."""
    partition = {"day": str(day)}
    if not lake.exists(MODELLED, partition):
        return {}
    return dict(lake.read(MODELLED, partition).select("delivered_on", "fingerprint").rows())
