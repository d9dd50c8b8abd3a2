"""Which days of real logs their guards refused: later nights must not learn from them either.

A blocking check, be it a suite of expectations or a data test of the models, stops the night of its own day. The day's
rows stay in the warehouse all the same, until its files are mended and it is run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from dagster import AssetCheckKey, DagsterInstance, Failure
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecordStatus,
)

from assets.click_log_checks import CLICK_LOG_CHECKS
from assets.click_log_models import click_log_models

GUARDS: tuple[AssetCheckKey, ...] = tuple(
    spec.key for checks in (*CLICK_LOG_CHECKS, click_log_models) for spec in checks.check_specs if spec.blocking
)


def refused_days(instance: DagsterInstance, days: Iterable[date]) -> list[date]:
    """Those of `days` that the newest verdict of a guard refuses; a day that was never judged is not refused."""
    return [day for day in days if _is_refused(instance, day)]


def require_accepted(instance: DagsterInstance, day: date) -> None:
    """Stop a refit or a promotion on a day that its guards refused.

    In one run with them a guard does that by itself; a backfill gives refits and promotions runs of their own.

    Raises:
        Failure: the day was refused.
    """
    if _is_refused(instance, day):
        raise Failure(
            f"the guards of {day} refused it, so nothing is fitted or judged on it: mend its files, run the day again "
            "and then this",
            allow_retries=False,
        )


def _is_refused(instance: DagsterInstance, day: date) -> bool:
    log, of_the_day = instance.event_log_storage, PartitionKeyFilter(key=str(day))
    records = []
    for key, newest in log.get_latest_asset_check_execution_by_key(GUARDS, of_the_day).items():
        if newest.status in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES:
            records.append(newest)
        else:  # a later run that ended before it came to this guard proves nothing
            records += log.get_asset_check_execution_history(
                key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES, partition_filter=of_the_day
            )
    return any(record.status is AssetCheckExecutionRecordStatus.FAILED for record in records)
