"""Whether an iteration may start: the run of the iteration before must have ended, and well.

Dagster knows no cycle across assets, so the loop `ad_llm[t-1] -> ad_responses[t]` is held together here. A backfill
submits all its iterations at once. Its order is kept by a rule of the run queue (one run at a time for each arm, see
dagster.yaml); this gate refuses what the rule can't see: that the run before has failed, that the rule is missing, or
that a run past the queue (`llm-auction run`) is at work on the same arm.
"""

from __future__ import annotations

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRecord,
    RunsFilter,
)

from assets.partitions import previous_iteration

BACKFILL_TAG = "dagster/backfill"
PARTITION_TAG = "dagster/partition"
ARM_TAG = "dagster/partition/arm"
AD_LLM = AssetKey("ad_llm")
# What an iteration writes on its way to the new model.
LINKS = [AssetKey(name) for name in ("ad_responses", "click_feedback", "pctr_model", "preference_pairs")]
_RUNS_LOOKED_AT = 20
QUEUE_RULE = (
    'concurrency: runs: tag_concurrency_limits: [{key: "dagster/partition/arm", '
    "value: {applyLimitPerUniqueValue: true}, limit: 1}]"
)


class IterationRefused(RuntimeError):
    """An iteration must not start; the message says why and what to do."""


def refuse_out_of_order(instance: DagsterInstance, run: DagsterRun, arm: str, iteration: str) -> None:
    """Return when the previous iteration is over and can be built upon, and no other run is at work on the arm.

    Raises:
        IterationRefused: the newest run of the previous iteration, in the same backfill or not, did not succeed and
            nothing replaced its model since, or another run of the arm is going on.
    """
    for other in instance.get_runs(RunsFilter(tags={ARM_TAG: arm}, statuses=[DagsterRunStatus.STARTED])):
        if other.run_id != run.run_id and _trains(other):
            raise _overlap(other, run, arm, iteration)
    previous = previous_iteration(iteration)
    if previous is None:
        return
    key = f"{arm}|{previous}"
    for latest in instance.get_run_records(RunsFilter(tags={PARTITION_TAG: key}), limit=_RUNS_LOOKED_AT):
        other, backfill = latest.dagster_run, latest.dagster_run.tags.get(BACKFILL_TAG)
        together = backfill is not None and backfill == run.tags.get(BACKFILL_TAG)
        if not _trains(other) or not (together or _has_begun(instance, latest, key)):
            continue
        if other.status == DagsterRunStatus.SUCCESS:
            return
        if not other.is_finished:
            raise _overlap(other, run, arm, iteration)
        if not _replaced_since(instance, latest.create_timestamp.timestamp(), other.run_id, key):
            raise IterationRefused(
                f"iteration {iteration} of arm {arm} is not started: iteration {previous} "
                f"{f'of the same backfill ({backfill}) ' if together else ''}ended as {other.status.value}, run "
                f"{other.run_id}. Going on would train on an old model. Materialize iteration {previous} of {arm} "
                "again, then this one"
            )
        return


def _trains(run: DagsterRun) -> bool:
    """Whether the run is to make a new Ad-LLM: one that only looks at an iteration changes nothing."""
    return not run.asset_selection or AD_LLM in run.asset_selection


def _has_begun(instance: DagsterInstance, record: RunRecord, key: str) -> bool:
    """Whether the run has put new tables or models in the place of the iteration's old ones, or may be about to."""
    if not record.dagster_run.is_finished:
        return record.start_time is not None
    since = record.create_timestamp.timestamp()
    for asset in LINKS:
        written = AssetRecordsFilter(asset, asset_partitions=[key], after_timestamp=since)
        if any(
            found.run_id == record.dagster_run.run_id for found in instance.fetch_materializations(written, 5).records
        ):
            return True
    return False


def _replaced_since(instance: DagsterInstance, timestamp: float, failed_run: str, key: str) -> bool:
    """Whether another run has materialized the previous iteration's Ad-LLM after the failed one was made."""
    found = instance.fetch_materializations(
        AssetRecordsFilter(AssetKey("ad_llm"), asset_partitions=[key], after_timestamp=timestamp), limit=5
    )
    return any(record.run_id != failed_run for record in found.records)


def _overlap(other: DagsterRun, run: DagsterRun, arm: str, iteration: str) -> IterationRefused:
    rule = (
        f". Dagster would keep them in order by a rule that is missing from the dagster.yaml of this instance "
        f"(DAGSTER_HOME): {QUEUE_RULE}"
        if BACKFILL_TAG in run.tags and BACKFILL_TAG in other.tags
        else ": wait for its end, or terminate it"
    )
    return IterationRefused(
        f"iteration {iteration} of arm {arm} can't start while {other.tags.get(PARTITION_TAG)} is "
        f"{other.status.value} (run {other.run_id}){rule}"
    )
