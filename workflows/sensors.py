"""What starts by itself when something happens: late files are taken in, failed runs raise an alert."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from dagster import (
    DefaultSensorStatus,
    RunFailureSensorContext,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    run_failure_sensor,
    sensor,
)

from llm_auction.click_log.files import NothingDelivered, find_files
from resources.lake import Lake
from resources.profile import ProfileResource
from workflows.alerts import describe_failure, raise_alert
from workflows.deliveries import Listing, look
from workflows.jobs import production_day
from workflows.late_days import late_days
from workflows.nights import days_until, plan_night
from workflows.schedules import known_days, newest_day, night_has_begun, night_is_under_way, run_requests


@sensor(
    job=production_day,
    minimum_interval_seconds=30,
    description="Takes in late files of real click logs, and models the days that late events change.",
)
def click_log_deliveries(
    context: SensorEvaluationContext, profile: ProfileResource, lake: Lake
) -> SensorResult | SkipReason:
    """Takes in files that came after their night, in the days that are watched, and models the days that they change.

    So it does with days further back that are to be restated (`late_days`). Files count once they have kept still from
    one look to the next. The newest day is the schedule's: it is watched from the moment that its night has begun, and
    refitted on when its files come after that; days are as old as that night makes them.
    """
    config = profile.get()
    if config.click_log.source is None:
        return SkipReason("no click log is configured (click_log.source)")
    newest, first = newest_day(datetime.now(UTC)), config.click_log.start_date
    if night_is_under_way(context.instance, newest):
        return SkipReason("the runs of a night are under way")
    begun = night_has_begun(context.instance, newest)
    night_of = newest if begun else newest - timedelta(days=1)
    watched = [day for day in days_until(newest, config.schedule.watch_days, first) if begun or day < newest]
    listings = {day: _listing(config.click_log.source, day) for day in watched}
    found = look(context.cursor, listings, lambda day: _taken_in(lake, day), late_days(lake, night_of, config))
    night = plan_night(
        found.ready,
        known_days(lake),
        config.schedule.lookback_days,
        refitted={newest}.intersection(found.ready),
        late=found.late,
    )
    reason = f"files of {', '.join(map(str, found.settling))} still arrive" if found.settling else "no new files"
    return SensorResult(
        run_requests=list(run_requests(night, newest, f"late-{found.key}", context.repository_def)),
        cursor=found.cursor,
        skip_reason=None if night else reason,
    )


def _listing(source: str, day: date) -> Listing:
    """The files delivered on a day, without opening one; none where nothing was delivered.

    Raises:
        ClickLogSourceError: the source is wrong or can't be reached: the tick fails with it, and so the UI shows it.
    """
    try:
        return {file.name: file.fingerprint for file in find_files(source, day.isoformat())}
    except NothingDelivered:
        return {}


def _taken_in(lake: Lake, day: date) -> Listing | None:
    """The files of a day as they were when they were read; None where the day is not there."""
    partition = {"day": day.isoformat()}
    if not lake.exists("click_log_files", partition):
        return None
    return dict(lake.read("click_log_files", partition).select("file", "fingerprint").iter_rows())


@run_failure_sensor(
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Writes a file on every failed run, and tells LLM_AUCTION_ALERT_WEBHOOK where that is set.",
)
def run_failure_alert(context: RunFailureSensorContext, lake: Lake) -> None:
    """Writes what is known of every failed run to `alerts/<run id>.json` in the data directory, and tells the webhook.

    The webhook is the environment's LLM_AUCTION_ALERT_WEBHOOK, an https URL; without it only the file is written.
    """
    alert = describe_failure(context.instance, context.dagster_run, context.failure_event.message or "")
    path, sent = raise_alert(alert, Path(lake.data_dir))
    context.log.info(f"{path}: {sent}")
