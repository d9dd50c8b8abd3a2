"""Runs that wait for a pool sleep, and notice within seconds that it is their turn.

Left to itself Dagster (1.13.29) never sleeps there: it takes the smaller of zero and the time until it may ask again.
Of eight days of a backfill that want the warehouse, seven would keep the processors from the one that has it. It also
lets up to 15 seconds pass between two questions, while the slot that was given to a run stands idle.

Drop this when Dagster does so by itself (dagster-io/dagster#20367 was closed without a merge).
"""

from __future__ import annotations

import time

from dagster._core.execution.plan import instance_concurrency_context
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

LONGEST_WAIT = 3  # seconds between two questions for a slot; one costs 70 ms of a processor


def sleep_between_claims() -> None:
    """Mend the wait for pools in this process, for every run that it executes."""
    instance_concurrency_context.MAX_CONCURRENCY_CLAIM_BLOCKED_INTERVAL = LONGEST_WAIT
    InstanceConcurrencyContext.interval_to_next_pending_claim_check = _seconds_to_next_claim  # type: ignore[assignment, method-assign]


def _seconds_to_next_claim(context: InstanceConcurrencyContext) -> float:
    first = min(context._pending_timeouts.values(), default=0.0)
    return max(0.0, first - time.time())
