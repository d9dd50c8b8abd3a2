"""Partitions of the production path: one a day (UTC), from the profile's `click_log.start_date` to yesterday."""

from __future__ import annotations

import warnings
from datetime import datetime, time, timedelta

from dagster import BetaWarning, DailyPartitionsDefinition, FreshnessPolicy, TimeWindowPartitionMapping

from llm_auction.profiles import load_profile


def _first_day() -> datetime:
    # The definitions need it before any run, so that run config can't set it.
    return datetime.combine(load_profile().click_log.start_date, time())


day_partitions = DailyPartitionsDefinition(start_date=_first_day(), timezone="UTC")

# The UI says when a night is overdue. Any day counts: a backfill makes an asset fresh, too.
every_night = FreshnessPolicy.time_window(fail_window=timedelta(hours=load_profile().schedule.fresh_hours))


def days_before(most: int, least: int = 0) -> TimeWindowPartitionMapping:
    """A day depends on those from `most` to `least` days before it, as far as they exist."""
    with warnings.catch_warnings():
        # Dagster calls the last argument a beta feature; the first days have none before them.
        warnings.simplefilter("ignore", BetaWarning)
        return TimeWindowPartitionMapping(
            start_offset=-most, end_offset=-least, allow_nonexistent_upstream_partitions=True
        )
