"""The sections about the production path: click logs, their guards, the nightly refit and when it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from llm_auction.click_log.files import source_of
from llm_auction.profiles.section import Positive, Section, Share

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Field of a cron -> its least and greatest number, and the names of its numbers from the least one on.
_CRON: Mapping[str, tuple[int, int, tuple[str, ...]]] = {
    "minute": (0, 59, ()),
    "hour": (0, 23, ()),
    "day of the month": (1, 31, ()),
    "month": (1, 12, _MONTHS),
    "day of the week": (0, 7, _WEEKDAYS),
}


class ClickLogConfig(Section):
    """Where real logs come from, and what counts (docs/click-log.md)."""

    source: str | None = Field(
        None,
        description="Folder, glob or fsspec URL of the files, with {date} for the day of delivery, or {date:%Y/%m/%d}.",
    )
    start_date: date = Field(date(2026, 1, 1), description="The first day (UTC) that there can be a partition of.")
    lateness_days: Annotated[int, Field(ge=0)] = Field(3, description="How long after its day an event may arrive.")
    clock_skew_seconds: Annotated[float, Field(ge=0.0)] = Field(
        300.0, description="How far clocks may be apart: a click before its answer, an event after its delivery."
    )
    attribution_hours: Positive = Field(72, description="A click counts within this time after its answer.")
    conversion_days: Positive = Field(30, description="A conversion counts within this time after its answer.")
    max_bid: Annotated[float, Field(gt=0.0)] = Field(10_000.0, description="A higher bid per click is an error.")
    max_value: Annotated[float, Field(gt=0.0)] = Field(1e6, description="A conversion worth more is an error.")
    max_rejected_share: Share = Field(0.05, description="A day fails when more of its events than this are rejected.")
    memory_limit: str = Field(
        "2GB", pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="Of DuckDB; beyond it, it spills."
    )
    spill_dir: str | None = Field(None, description="Where it spills; None is below the data directory.")
    session_gap_minutes: Positive = Field(30, description="A user's answers further apart belong to two sessions.")
    max_answers_per_user_hour: Positive = Field(120, description="A user with more is a robot.")
    max_clicks_per_user_hour: Positive = Field(
        60, description="A user with more, clicks that repeat one included, is a click spammer."
    )
    min_click_seconds: Annotated[float, Field(ge=0.0)] = Field(
        0.5, description="Nobody reads and clicks faster; sooner clicks are flagged."
    )

    @field_validator("source")
    @classmethod
    def _names_the_day(cls, source: str | None) -> str | None:
        if source is not None:
            source_of(source, date(2026, 1, 1))
        return source

    # What comes late is looked for as long as conversions count (resources/click_log/answer_days.py): whether a later
    # click is in the tables would depend on when they were made.
    @model_validator(mode="after")
    def _no_click_after_the_conversions(self) -> ClickLogConfig:
        hours, days = self.attribution_hours, self.conversion_days
        if hours > 24 * days:
            raise ValueError(
                f"attribution_hours ({hours}) must not be longer than conversion_days ({days}): raise conversion_days "
                f"to {math.ceil(hours / 24)}, or lower attribution_hours to {24 * days}"
            )
        return self


class ClickLogGuardsConfig(Section):
    """What a day of real logs is measured against before anything is fitted on it."""

    trailing_days: Positive = Field(7, description="Days before it that a day is compared with.")
    min_trailing_days: Positive = Field(3, description="With fewer of them, nothing is compared.")
    min_volume_ratio: Annotated[float, Field(ge=0.0)] = Field(0.5, description="Answers, over the trailing median.")
    max_volume_ratio: Annotated[float, Field(gt=0.0)] = Field(2.0, description="Answers, over the trailing median.")
    max_ctr_ratio: Annotated[float, Field(ge=1.0)] = Field(
        1.5, description="Same-day CTR over the trailing one, or the other way round."
    )
    max_format_error_rise: Share = Field(0.1, description="Format-error rate, above the trailing one.")
    max_unreadable_files: Annotated[int, Field(ge=0)] = Field(
        0, description="Files of a day that are broken or none of a log; how many events they held, nobody knows."
    )
    max_duplicate_share: Share = Field(0.5, description="Share of a day's events that were delivered before.")
    max_skewed_share: Share = Field(0.01, description="Share of clicks that are older than their answer.")
    max_unseen_ad_share: Share = Field(0.05, description="Share of candidates that the catalog does not hold.")
    max_unseen_policy_share: Share = Field(
        0.5, description="Share of answers by policies that wrote none on the trailing days."
    )
    max_excluded_share: Share = Field(0.5, description="Share of impressions flagged as robots or click spam.")
    accepted_days: tuple[date, ...] = Field(
        (), description="Unusual for a good reason: what these bounds find on them is reported and refuses nothing."
    )


class NightlyConfig(Section):
    """The nightly refit of the reward model on real logs, and what it takes to replace the champion."""

    window_days: Positive = Field(14, description="Days before the newest one that a refit is trained on.")
    half_life_days: Annotated[float, Field(gt=0.0)] = Field(
        7.0, description="An impression this much older than the newest counts half."
    )
    warm_start: bool = Field(
        True, description="Continue from the champion; False fits afresh on the window: slower, and a little better."
    )
    max_impressions: Positive = Field(
        200_000, description="A window with more is thinned out evenly: what the refit holds in memory."
    )
    min_impressions: Positive = Field(500, description="With fewer on the newest day, the champion stays.")
    log_loss_tolerance: Annotated[float, Field(ge=0.0)] = Field(
        0.01, description="By how much more a promoted model's log loss may be, nats an impression."
    )
    auc_tolerance: Annotated[float, Field(ge=0.0)] = Field(
        0.01, description="By how much less a promoted model's AUC may be."
    )
    ece_tolerance: Annotated[float, Field(ge=0.0)] = Field(
        0.02, description="By how much more a promoted model's expected calibration error may be."
    )
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.9, description="Of the bootstrap intervals whose worse end must lie within the tolerances."
    )
    bootstrap_resamples: Positive = Field(500, description="Behind those intervals.")


class OffPolicyConfig(Section):
    """The estimate of what a candidate Ad-LLM would earn, from logged answers, before it is deployed."""

    window_days: Positive = Field(7, description="Days of the log up to the newest that are used.")
    max_answers: Positive = Field(2000, description="At most this many logged answers, drawn at random.")
    answers_per_query: Positive = Field(4, description="Answers of the candidate to each, for its mean prediction.")
    min_effective_samples: Annotated[float, Field(ge=1.0)] = Field(
        100.0, description="With fewer effective samples, no estimate is given."
    )
    max_unreproduced_share: Share = Field(
        0.1, description="Share of answers whose logged log-probability may not be met; they are left out."
    )
    tolerance: Annotated[float, Field(ge=0.0)] = Field(
        1.0, description="By how much less reward an answer a candidate may bring, currency units."
    )
    max_report_age_days: Positive = Field(
        14, description="A report whose log ended longer ago proves nothing any more: nothing is promoted on it."
    )


class ScheduleConfig(Section):
    """When the production path runs by itself (docs/nightly.md); read when the definitions are loaded."""

    cron: str = Field("0 4 * * *", description="When the nightly refit starts.")
    time_zone: str = Field("UTC", description="Of the cron; partitions are days of UTC.")
    lookback_days: Annotated[int, Field(ge=0)] = Field(
        3, description="Days before the newest that a night takes in again, for what came late."
    )
    watch_days: Positive = Field(7, description="Days up to the newest in which new and late files are looked for.")
    restated_after_days: tuple[Positive, ...] = Field(
        (7, 14),
        description="How old a day is when it is modelled again for what came late; a last time when nothing more can.",
    )
    fresh_hours: Positive = Field(
        30, description="An asset of the nightly path that was not materialized for longer is not fresh any more."
    )

    @field_validator("cron")
    @classmethod
    def _a_cron(cls, cron: str) -> str:
        fields = cron.split()
        if len(fields) != len(_CRON):
            raise ValueError(f"must have five fields ({', '.join(_CRON)}), such as 0 4 * * *")
        for text, (name, (low, high, names)) in zip(fields, _CRON.items(), strict=True):
            if not all(_is_cron_range(part, low, high, names) for part in text.lower().split(",")):
                raise ValueError(
                    f"{text} is no {name}: write numbers from {low} to {high}, *, a-b, */n, or several by ,"
                )
        return cron

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a time zone such as Europe/Berlin") from None
        return name


def _is_cron_range(text: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    """Whether a part of a cron field is *, a, a-b, or one of them with a step, of its numbers or their names."""
    found = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/([1-9]\d*))?", text, flags=re.ASCII)
    if found is None:
        return False
    first, last, _ = found.groups()
    if first == "*":
        return last is None
    numbers = [
        names.index(end) + low if end in names else int(end) if end.isdigit() else high + 1
        for end in (first, last)
        if end is not None
    ]
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers)
