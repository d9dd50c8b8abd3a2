"""What the guards of a partition said last: a run without them must not build on what they refused.

A blocking check stops what follows in its own run. What it refused stays where it is all the same, and a later run that
holds only what follows, from the UI or in a backfill, would take it.

Rests on private parts of Dagster (1.13.29): its public instance gives the last verdict of a check, not that of one
partition. Drop them when it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dagster import AssetCheckKey, AssetChecksDefinition, AssetsDefinition, DagsterInstance
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecordStatus,
)


def blocking_checks(definitions: Iterable[AssetChecksDefinition | AssetsDefinition]) -> tuple[AssetCheckKey, ...]:
    """The keys of all blocking checks among `definitions`."""
    return tuple(spec.key for checks in definitions for spec in checks.check_specs if spec.blocking)


def is_refused(instance: DagsterInstance, guards: Sequence[AssetCheckKey], partition: str) -> bool:
    """Whether the newest verdict of one of `guards` on the partition is a refusal; never judged is not refused."""
    log, of_it = instance.event_log_storage, PartitionKeyFilter(key=partition)
    records = []
    for key, newest in log.get_latest_asset_check_execution_by_key(guards, of_it).items():
        if newest.status in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES:
            records.append(newest)
        else:  # a later run that ended before it came to this guard proves nothing
            records += log.get_asset_check_execution_history(
                key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES, partition_filter=of_it
            )
    return any(record.status is AssetCheckExecutionRecordStatus.FAILED for record in records)
