"""Which days of real logs their guards refused: later nights must not learn from them either.

A blocking check stops the night of its own day. The day's rows stay in the warehouse all the same, until its files are
mended and it is run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from dagster import AssetCheckKey, AssetKey, DagsterInstance
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

GUARDED = ("click_log", "fct_click_log_impressions", "fct_click_log_responses", "agg_click_log_days")
CHECK = "great_expectations"


def refused_days(instance: DagsterInstance, days: Iterable[date]) -> list[date]:
    """Those of `days` that the newest verdict of a guard refuses; a day that was never judged is not refused."""
    keys = [AssetCheckKey(AssetKey(table), CHECK) for table in GUARDED]
    return [day for day in days if any(_failed(instance, key, day) for key in keys)]


def _failed(instance: DagsterInstance, key: AssetCheckKey, day: date) -> bool:
    newest = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, partition_filter=PartitionKeyFilter(key=str(day))
    )
    return bool(newest) and newest[0].status == AssetCheckExecutionRecordStatus.FAILED
