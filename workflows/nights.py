"""The runs of a night and their order: take in what was delivered, model the days that it belongs to, refit.

A click belongs to the day of its answer and may be delivered days later, so that a day's files change the tables of
the days before it. All files are therefore taken in before any day is modelled, and days are modelled in their order
before the newest one is refitted on. That last run does everything on its day once more, since a guard blocks what
comes after it in its own run only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Part = Literal["ingest", "model", "refit"]


@dataclass(frozen=True, slots=True)
class NightRun:
    """One run: a part of the production path on one day; `refit` is the whole path."""

    part: Part
    day: date

    @property
    def name(self) -> str:
        return f"{self.part}-{self.day}"


def plan_night(
    delivered: Collection[date], known: Collection[date], newest: date, lookback_days: int, *, refit: bool
) -> list[NightRun]:
    """The runs that take in what was delivered on some days, in order.

    Args:
        delivered: days with files to take in.
        known: days that were taken in before; only they and `delivered` can be modelled.
        newest: the last complete day, which is refitted on.
        lookback_days: how far before a delivery the days that it changes may lie.
        refit: whether to end with a refit on `newest`, where that day is there.
    """
    there = {*known, *delivered}
    changed = {
        day - timedelta(days=before)
        for day in delivered
        for before in range(lookback_days + 1)
        if day - timedelta(days=before) in there
    }
    refitted = [newest] if refit and delivered and newest in there else []
    modelled = sorted(changed.difference(refitted))
    ingested = sorted(delivered if modelled else set(delivered).difference(refitted))
    return [
        *(NightRun("ingest", day) for day in ingested),
        *(NightRun("model", day) for day in modelled),
        *(NightRun("refit", day) for day in refitted),
    ]


def days_until(newest: date, count: int, first: date) -> Iterator[date]:
    """The last `count` days up to `newest`, in order, none before `first`."""
    for before in reversed(range(count)):
        day = newest - timedelta(days=before)
        if day >= first:
            yield day
