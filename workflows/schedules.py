"""When the production path runs by itself: every night, on the day that has ended and on what came late before it.

The schedule is off until it is switched on in the UI (Automation). Its cron and time zone are the profile's section
`schedule`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    RepositoryDefinition,
    RunRequest,
    RunsFilter,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from llm_auction.click_log.files import ClickLogSourceError, find_files
from llm_auction.profiles import load_profile
from resources.lake import Lake
from resources.profile import ProfileResource
from workflows.jobs import production_day
from workflows.late_days import late_days
from workflows.nights import NightRun, days_until, plan_night

NIGHT_TAG = "llm_auction/night"  # the newest day of the night that a run belongs to; dagster.yaml runs these in order
INGESTION = {AssetKey("click_log")}
REFIT = {AssetKey("nightly_pctr_model"), AssetKey("reward_model_champion")}


_NIGHTS_BEFORE = 3
_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

# Dagster's own tag of what a schedule starts; the sensor's runs have none.
_OF_THE_SCHEDULE = {"dagster/schedule_name": "nightly_reward_refit"}

# Dagster wants them before any run, so that run config can't set them.
_TIMES = load_profile().schedule


@schedule(
    job=production_day,
    cron_schedule=_TIMES.cron,
    execution_timezone=_TIMES.time_zone,
    description="Yesterday's click log, and what came late for the days before: ingest, model, guard, refit, judge.",
)
def nightly_reward_refit(
    context: ScheduleEvaluationContext, profile: ProfileResource, lake: Lake
) -> Iterator[RunRequest | SkipReason]:
    """Yesterday (UTC), and the lookback days that have files or were taken in before: ingest, model, refit, judge.

    A lookback day with files that no night took in was missed (its files came late, or nothing ran): it is refitted on
    too, before yesterday. Days further back are modelled again when they are to be restated (`late_days`), with what
    yesterday's delivery holds of their answers besides.
    """
    config = profile.get()
    newest = newest_day(context.scheduled_execution_time)
    first = config.click_log.start_date
    if newest < first:
        yield SkipReason(f"click_log.start_date is {first}: the first night is that of the day after it")
        return
    # What the sensor has started may go on: the night's runs queue behind it.
    if night_is_under_way(context.instance, newest, _OF_THE_SCHEDULE):
        yield SkipReason("the runs of the night before are still under way")
        return
    known = set(known_days(lake))
    before = set(days_until(newest - timedelta(days=1), config.schedule.lookback_days, first))
    missed = {day for day in before - known if _has_files(config.click_log.source, day)}
    delivered = {newest, *missed, *(known & before)}
    night = plan_night(
        delivered,
        known,
        config.schedule.lookback_days,
        refitted={newest, *missed},
        late=late_days(lake, newest, config),
    )
    yield from run_requests(night, newest, f"night-{newest}", context.repository_def)


def _has_files(source: str | None, day: date) -> bool:
    """Whether files of a day wait; a source that can't be listed fails the ingestion of yesterday, which is alerted."""
    try:
        return bool(find_files(source, day.isoformat()))
    except ClickLogSourceError:
        return False


def newest_day(now: datetime) -> date:
    """The last complete day (UTC)."""
    return now.astimezone(UTC).date() - timedelta(days=1)


def known_days(lake: Lake) -> list[date]:
    """The days of delivery that the lake holds completely."""
    return [date.fromisoformat(partition["day"]) for partition in lake.partitions("click_log_files", "day")]


def night_is_under_way(instance: DagsterInstance, newest: date, tags: Mapping[str, str] | None = None) -> bool:
    """Whether runs of the last nights, with these tags, are queued or going on; others would get between them."""
    nights = [day.isoformat() for day in days_until(newest, _NIGHTS_BEFORE, date.min)]
    return instance.get_runs_count(RunsFilter(tags={**(tags or {}), NIGHT_TAG: nights}, statuses=_UNFINISHED)) > 0


def night_has_begun(instance: DagsterInstance, newest: date) -> bool:
    """Whether the schedule has started the night of a day; runs that the sensor starts don't begin one."""
    return instance.get_runs_count(RunsFilter(tags={**_OF_THE_SCHEDULE, NIGHT_TAG: newest.isoformat()})) > 0


def run_requests(
    night: list[NightRun], newest: date, key: str, repository: RepositoryDefinition | None
) -> Iterator[RunRequest]:
    """The runs of a night for the queue, first ones first. The same `key` starts none of them twice."""
    assert repository is not None, "schedules and sensors are evaluated within the project's definitions"
    assets = set(repository.get_job(production_day.name).asset_layer.selected_asset_keys)
    parts = {"ingest": INGESTION, "model": assets - INGESTION - REFIT, "refit": assets}
    for position, run in enumerate(night):
        yield RunRequest(
            run_key=f"{key}:{run.name}",
            partition_key=run.day.isoformat(),
            asset_selection=sorted(parts[run.part], key=AssetKey.to_user_string),
            tags={NIGHT_TAG: newest.isoformat(), "dagster/priority": str(len(night) - position)},
        )
