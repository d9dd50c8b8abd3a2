"""Days further back than a night models of whose answers something has come in since: conversions may take a month."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta

from llm_auction.profiles.schema import Profile
from resources.click_log import deliveries_about, modelled
from resources.lake import Lake
from workflows.nights import days_until


def late_days(lake: Lake, newest: date, config: Profile) -> dict[date, str]:
    """The days whose tables lack clicks or conversions that were delivered late, and what names these events.

    Looked at are the deliveries of the last `schedule.watch_days` days up to `newest` that the lake holds, and days of
    answers more than `schedule.lookback_days` before them: nearer ones are modelled with the delivery itself. How far
    back they lie is bounded by `click_log.attribution_hours` and `click_log.conversion_days`.
    """
    first, lookback = config.click_log.start_date, timedelta(days=config.schedule.lookback_days)
    watched = days_until(newest, config.schedule.watch_days, first)
    late = {}
    for day, deliveries in sorted(deliveries_about(lake, watched).items()):
        further = {delivered: events for delivered, events in deliveries.items() if day < delivered - lookback}
        # Only what was taken in can be modelled.
        there = day >= first and lake.exists("click_log_files", {"day": str(day)})
        if there and not further.items() <= modelled(lake, day).items():
            late[day] = _digest(further)
    return late


def _digest(deliveries: dict[date, str]) -> str:
    content = json.dumps([(str(delivered), events) for delivered, events in sorted(deliveries.items())]).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()
