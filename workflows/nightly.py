"""The nights of a click log one after the other in this process, each a Dagster run on the persistent instance."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, Definitions

from workflows.execution import Emit, StageFailed, execute_stage
from workflows.stages import Stage

MARKET = Stage("market", "market_and_base")


@dataclass(frozen=True, slots=True)
class Night:
    """What came of one day.

    Attributes:
        day: YYYY-MM-DD.
        metrics: asset -> name -> number, of what was materialized.
        decision: what became of the refit ("promoted", "kept") and why; empty when the day was blocked.
        blocked: the checks that failed, so that nothing was refitted on this day; None when it was.
        seconds: how long it took.
    """

    day: str
    metrics: Mapping[str, Mapping[str, float]]
    decision: str
    blocked: str | None
    seconds: float


def run_night(definitions: Definitions, instance: DagsterInstance, day: str, emit: Emit) -> Night:
    """Take in, model, guard, refit and judge one day. A day that a guard blocks is an outcome, not an error.

    Raises:
        StageFailed: something else went wrong, or the run was interrupted.
    """
    started = time.monotonic()
    try:
        result = execute_stage(definitions, instance, Stage(f"night of {day}", "production_day", day), {}, emit)
    except StageFailed as failure:
        if not failure.failed_checks:
            raise
        return Night(day, {}, "", "; ".join(failure.failed_checks), time.monotonic() - started)
    return Night(day, result["metrics"], _decision(instance, day), None, result["seconds"])


def _decision(instance: DagsterInstance, day: str) -> str:
    records = instance.fetch_materializations(
        AssetRecordsFilter(AssetKey("reward_model_champion"), asset_partitions=[day]), limit=1
    ).records
    metadata: Mapping[str, Any] = records[0].asset_materialization.metadata if records else {}  # type: ignore[union-attr]
    return ": ".join(str(metadata[name].value) for name in ("decision", "reason") if name in metadata)
