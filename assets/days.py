"""Partitions of the production path: one a day (UTC), from the profile's `click_log.start_date` to yesterday."""

from __future__ import annotations

import warnings
from datetime import datetime, time

from dagster import BackfillPolicy, BetaWarning, DailyPartitionsDefinition, TimeWindowPartitionMapping

from llm_auction.profiles import load_profile


def _first_day() -> datetime:
    # The definitions need it before any run, so that run config can't set it.
    return datetime.combine(load_profile().click_log.start_date, time())


day_partitions = DailyPartitionsDefinition(start_date=_first_day(), timezone="UTC")

# Said on every asset of the path: dagster-dbt would give all days of a backfill to one run, and guards judge one day.
# Dagster calls the argument a beta feature of @asset, each time that it is given.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=BetaWarning)
one_day_a_run = BackfillPolicy.multi_run(max_partitions_per_run=1)


def days_before(most: int, least: int = 0) -> TimeWindowPartitionMapping:
    """A day depends on those from `most` to `least` days before it, as far as they exist."""
    with warnings.catch_warnings():
        # Dagster calls the last argument a beta feature; the first days have none before them.
        warnings.simplefilter("ignore", BetaWarning)
        return TimeWindowPartitionMapping(
            start_offset=-most, end_offset=-least, allow_nonexistent_upstream_partitions=True
        )
