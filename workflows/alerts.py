"""What is known of a failed run, in a form that another system can read: one JSON file a run, and a webhook."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun

from resources.storage import write_json_atomically
from resources.webhook import WebhookError, post_to_webhook

FOLDER = "alerts"
LONGEST_MESSAGE = 2000  # characters of one failure's text
_KINDS = {DagsterEventType.STEP_FAILURE, DagsterEventType.ASSET_CHECK_EVALUATION}


def describe_failure(instance: DagsterInstance, run: DagsterRun, message: str) -> dict[str, Any]:
    """The alert of a failed run: job, partition, failed steps with their causes, failed checks.

    `message` is what Dagster says of the run as a whole. Texts of steps are cut to 2,000 characters.
    """
    events = [
        record.event_log_entry.dagster_event
        for record in instance.get_records_for_run(run.run_id, of_type=_KINDS).records
        if record.event_log_entry.dagster_event is not None
    ]
    steps, checks = list(_failed_steps(events)), list(_failed_checks(events))
    of = f" of {run.tags['dagster/partition']}" if "dagster/partition" in run.tags else ""
    first = steps[0]["message"] if steps else (checks[0]["description"] if checks else _cut(message))
    return {
        "summary": f"{_job(run)}{of} failed: {first}",
        "run_id": run.run_id,
        "job": _job(run),
        "partition": run.tags.get("dagster/partition"),
        "backfill": run.tags.get("dagster/backfill"),
        "night": run.tags.get("llm_auction/night"),
        "alerted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "failed_steps": steps,
        "failed_checks": checks,
    }


def raise_alert(alert: Mapping[str, Any], data_dir: Path) -> tuple[Path, str]:
    """Write the alert to `alerts/<run id>.json` and send it to the webhook; the file, and what became of the sending.

    A webhook that does not answer is no error: the file says so.

    Raises:
        StorageError, OSError: the file can't be written.
    """
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.path.basename(alert['run_id'])}.json"
    # First on disk: whatever becomes of the sending, the alert is not lost.
    write_json_atomically(path, {**alert, "webhook": "not told yet"}, folder)
    try:
        host = post_to_webhook({"text": alert["summary"], **alert})
        sent = f"sent to {host}" if host else "no webhook is configured"
    except WebhookError as error:
        sent = str(error)
    write_json_atomically(path, {**alert, "webhook": sent}, folder)
    return path, sent


def _failed_steps(events: Sequence[DagsterEvent]) -> Iterator[dict[str, str]]:
    for event in events:
        if event.event_type == DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            yield {"step": event.step_key or "", "message": _cut(error.message if error else "")}


def _failed_checks(events: Sequence[DagsterEvent]) -> Iterator[dict[str, str]]:
    for event in events:
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                yield {
                    "asset": check.asset_key.to_user_string(),
                    "check": check.check_name,
                    "severity": check.severity.value,
                    "description": _cut(check.description or ""),
                }


def _job(run: DagsterRun) -> str:
    """Runs that the UI starts on assets have no job of their own."""
    return "assets" if run.job_name.startswith("__ASSET_JOB") else run.job_name


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"
