"""The runs of a night and their order: take in what was delivered, model the days that it belongs to, refit.

A click belongs to the day of its answer and may be delivered days later, so that a day's files change the tables of
the days before it. All files are therefore taken in before any day is modelled, and days are modelled, or refitted on,
in their order. A refit is a run that does everything on its day once more, since a guard blocks what comes after it in
its own run only.
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
    delivered: Collection[date],
    known: Collection[date],
    lookback_days: int,
    *,
    refitted: Collection[date],
    late: Collection[date] = (),
) -> list[NightRun]:
    """The runs that take in what was delivered on some days, in order.

    Args:
        delivered: days with files to take in.
        known: days that were taken in before; only they and `delivered` can be modelled.
        lookback_days: how far before a delivery the days that it changes may lie.
        refitted: those of `delivered` that are refitted on, not only modelled.
        late: days further back about whose answers something came in with an earlier delivery.
    """
    there = {*known, *delivered}
    near = {day - timedelta(days=before) for day in delivered for before in range(lookback_days + 1)}
    changed = there & near.union(late)
    alone = len(changed) == 1  # the refit of the only day takes its files in itself
    return [
        *(NightRun("ingest", day) for day in sorted(delivered) if not (alone and day in refitted)),
        *(NightRun("refit" if day in refitted else "model", day) for day in sorted(changed)),
    ]


def days_until(newest: date, count: int, first: date) -> Iterator[date]:
    """The last `count` days up to `newest`, in order, none before `first`."""
    for before in reversed(range(count)):
        day = newest - timedelta(days=before)
        if day >= first:
            yield day
