"""Partitions of the production path: one a day (UTC), from the profile's `click_log.start_date` to yesterday."""

from __future__ import annotations

from datetime import datetime, time

from dagster import DailyPartitionsDefinition

from llm_auction.profiles import load_profile


def _first_day() -> datetime:
    # The definitions need it before any run, so that run config can't set it.
    return datetime.combine(load_profile().click_log.start_date, time())


day_partitions = DailyPartitionsDefinition(start_date=_first_day(), timezone="UTC")
