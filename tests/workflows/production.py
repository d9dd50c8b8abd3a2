"""A deployment of the production path that nobody runs: what its schedule and its sensor look at, and ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import ClassVar

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    RepositoryDefinition,
    RunRequest,
    SensorResult,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)
from dagster._core.test_utils import create_run_for_test

from resources.lake import Lake
from resources.profile import ProfileResource
from workflows.schedules import NIGHT_TAG, newest_day, nightly_reward_refit
from workflows.sensors import click_log_deliveries

NEWEST = newest_day(datetime.now(UTC))


def day(before: int) -> date:
    """So many days before the newest."""
    return NEWEST - timedelta(days=before)


@dataclass
class Production:
    """`settings` are what the profile has beside the log's place."""

    folder: Path
    repository: RepositoryDefinition
    instance: DagsterInstance
    settings: ClassVar[Mapping[str, str]] = {}

    @property
    def lake(self) -> Lake:
        return Lake(data_dir=str(self.folder / "data"))

    @property
    def profile(self) -> ProfileResource:
        source = {"click_log.source": f"{self.folder}/log/{{date}}/*.jsonl"}
        return ProfileResource(profile="smoke", overrides={**source, **self.settings})

    def night(self) -> list[RunRequest]:
        """What the schedule asks for in the morning after the newest day."""
        at = datetime.combine(NEWEST + timedelta(days=1), time(4), UTC)
        resources = {"profile": self.profile, "lake": self.lake}
        with build_schedule_context(self.instance, at, resources=resources, repository_def=self.repository) as context:
            return list(nightly_reward_refit.evaluate_tick(context).run_requests or [])

    def begin_night(self, status: DagsterRunStatus, *, by_schedule: bool = True) -> None:
        """A run of the newest day's night, which the schedule has started, or the sensor."""
        started_by = {"dagster/schedule_name": nightly_reward_refit.name} if by_schedule else {}
        create_run_for_test(self.instance, tags={NIGHT_TAG: NEWEST.isoformat(), **started_by}, status=status)

    def tick(self, cursor: str | None = None, profile: ProfileResource | None = None) -> SensorResult | SkipReason:
        """What the sensor says, under a profile of its own where one is given."""
        with build_sensor_context(self.instance, cursor=cursor, repository_def=self.repository) as context:
            said = click_log_deliveries(context, profile=profile or self.profile, lake=self.lake)
        assert isinstance(said, SensorResult | SkipReason)
        return said

    def look(self, cursor: str | None) -> SensorResult:
        """What the sensor finds."""
        found = self.tick(cursor)
        assert isinstance(found, SensorResult)
        return found


def asked(requests: Sequence[RunRequest] | None) -> list[tuple[str, int]]:
    """(part, days before the newest) of the runs."""
    parts = [str(request.run_key).split(":")[1].split("-")[0] for request in requests or []]
    days = [(NEWEST - date.fromisoformat(str(request.partition_key))).days for request in requests or []]
    return list(zip(parts, days, strict=True))
