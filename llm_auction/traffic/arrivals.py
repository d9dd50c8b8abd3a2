"""When people ask: sessions over the day, each of a few questions one after the other.

Sessions start more often at noon and in the evening than at night. A person asks 1 question or more in a session
(geometric, mean 2), half a minute or so apart; one that starts before midnight goes on after it. Some people come
often, most seldom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from llm_auction.traffic.clock import HOUR, SECOND, midnight

# Relative number of sessions that start in each hour of the day (UTC).
HOURLY = (3, 2, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11, 12, 11, 10, 10, 11, 13, 15, 17, 18, 16, 11, 6)
CONTINUES = 0.5  # chance of one more question
LEAST_GAP, MEAN_GAP = 8, 35  # seconds between two questions: reading, then thinking
ACTIVITY = 0.7  # exponent of the people's activity by rank: 0 makes all equal


@dataclass(frozen=True, slots=True)
class Arrival:
    """One question: its time and who asks, by number."""

    time_us: int
    user: int


def draw_arrivals(day: date, questions: int, users: int, rng: np.random.Generator) -> Iterator[Arrival]:
    """`questions` arrivals of one day's sessions, in order of time."""
    lengths = rng.geometric(1.0 - CONTINUES, size=questions)
    sessions = int(np.searchsorted(np.cumsum(lengths), questions)) + 1
    session = np.repeat(np.arange(sessions), lengths[:sessions])[:questions]
    first = np.concatenate(([True], session[1:] != session[:-1]))

    share = np.asarray(HOURLY, dtype=np.float64) / sum(HOURLY)
    hours = rng.choice(len(HOURLY), size=sessions, p=share)
    starts = midnight(day) + hours * HOUR + rng.integers(0, HOUR, size=sessions)
    gaps = ((LEAST_GAP + rng.exponential(MEAN_GAP - LEAST_GAP, size=questions)) * SECOND).astype(np.int64)
    since_start = np.cumsum(np.where(first, 0, gaps))
    since_start -= np.repeat(since_start[first], np.diff([*np.flatnonzero(first), questions]))

    activity = np.arange(1, users + 1, dtype=np.float64) ** -ACTIVITY
    who = rng.choice(users, size=sessions, p=activity / activity.sum())
    times = starts[session] + since_start
    for index in np.argsort(times, kind="stable"):
        yield Arrival(int(times[index]), int(who[session[index]]))
