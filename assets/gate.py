"""Whether an iteration may start: the run of the iteration before must have ended, and well.

Dagster knows no cycle across assets, so the loop `ad_llm[t-1] -> ad_responses[t]` is held together here. A backfill
submits all its iterations at once. Its order is kept by a rule of the run queue (one run at a time for each arm, see
dagster.yaml); this gate refuses what the rule can't see: that the run before has failed, or that the rule is missing.
"""

from __future__ import annotations

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from assets.partitions import previous_iteration

BACKFILL_TAG = "dagster/backfill"
PARTITION_TAG = "dagster/partition"
QUEUE_RULE = (
    'concurrency: runs: tag_concurrency_limits: [{key: "dagster/partition/arm", '
    "value: {applyLimitPerUniqueValue: true}, limit: 1}]"
)


class IterationRefused(RuntimeError):
    """An iteration must not start; the message says why and what to do."""


def refuse_out_of_order(instance: DagsterInstance, run: DagsterRun, arm: str, iteration: str) -> None:
    """Return when the previous iteration is over and can be built upon.

    Raises:
        IterationRefused: the previous iteration's run of the same backfill did not succeed and nothing replaced its
            model since, or a run of the previous iteration is still going on.
    """
    previous = previous_iteration(iteration)
    if previous is None:
        return
    key = f"{arm}|{previous}"
    for other in instance.get_runs(RunsFilter(tags={PARTITION_TAG: key}, statuses=[DagsterRunStatus.STARTED])):
        if other.run_id != run.run_id:
            raise _overlap(other, arm, previous, iteration)
    backfill = run.tags.get(BACKFILL_TAG)
    if backfill is None:
        return
    records = instance.get_run_records(RunsFilter(tags={BACKFILL_TAG: backfill, PARTITION_TAG: key}), limit=1)
    if not records:
        return
    latest = records[0]
    other = latest.dagster_run
    if other.status == DagsterRunStatus.SUCCESS:
        return
    if not other.is_finished:
        raise _overlap(other, arm, previous, iteration)
    if not _replaced_since(instance, latest.create_timestamp.timestamp(), other.run_id, key):
        raise IterationRefused(
            f"iteration {iteration} of arm {arm} is not started: iteration {previous} of the same backfill "
            f"({backfill}) ended as {other.status.value}, run {other.run_id}. Going on would train on an old model. "
            f"Materialize iteration {previous} of {arm} again, then this one"
        )


def _replaced_since(instance: DagsterInstance, timestamp: float, failed_run: str, key: str) -> bool:
    """Whether another run has materialized the previous iteration's Ad-LLM after the failed one was made."""
    found = instance.fetch_materializations(
        AssetRecordsFilter(AssetKey("ad_llm"), asset_partitions=[key], after_timestamp=timestamp), limit=5
    )
    return any(record.run_id != failed_run for record in found.records)


def _overlap(other: DagsterRun, arm: str, previous: str, iteration: str) -> IterationRefused:
    return IterationRefused(
        f"iteration {iteration} of arm {arm} can't start while iteration {previous} is {other.status.value} (run "
        f"{other.run_id}). Dagster would keep them in order by a rule that is missing from the dagster.yaml of this "
        f"instance (DAGSTER_HOME): {QUEUE_RULE}"
    )
