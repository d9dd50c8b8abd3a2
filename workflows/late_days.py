"""Days further back than a night models about whose answers something has come in: conversions may take a month."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta

from llm_auction.profiles.schema import Profile
from resources.click_log import days_about, deliveries_about, modelled
from resources.lake import Lake
from workflows.nights import days_until


def late_days(lake: Lake, newest: date, config: Profile) -> dict[date, str]:
    """The days to restate: their tables lack clicks or conversions that came in; and what names these events.

    With many conversions most days of `click_log.conversion_days` lack some every night. So a day is not modelled again
    at once, but when it is as old as one of `schedule.restated_after_days` says, and when nothing can come any more. A
    delivery of before such an age that is taken in, or again, after it makes the day one at once. So it is with the
    deliveries of `schedule.lookback_days`: a night models with them, a backfill may have been ahead of them.
    """
    first, window = config.click_log.start_date, days_about(config.click_log)
    ages = [
        timedelta(days=age) for age in (config.schedule.lookback_days, *config.schedule.restated_after_days, window)
    ]
    watched = days_until(newest, window + config.schedule.watch_days, first)
    late = {}
    for day, deliveries in sorted(deliveries_about(lake, watched).items()):
        # Only what was taken in can be modelled.
        if day < first or not lake.exists("click_log_files", {"day": str(day)}):
            continue
        until = max((day + age for age in ages if day + age <= newest), default=date.min)
        due = {delivered: events for delivered, events in deliveries.items() if delivered <= until}
        if not due.items() <= modelled(lake, day).items():
            late[day] = _digest(due)
    return late


def _digest(deliveries: dict[date, str]) -> str:
    content = json.dumps([(str(delivered), events) for delivered, events in sorted(deliveries.items())]).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()
