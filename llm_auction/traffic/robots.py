"""Traffic that should teach a model nothing: robots, click farms, and people who repeat a click for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from llm_auction.market import UserProfile
from llm_auction.traffic.clock import HOUR, MINUTE, SECOND, midnight
from llm_auction.traffic.events import identity


@dataclass(frozen=True, slots=True)
class Burst:
    """How one such visitor behaves, within one hour of the clock; pairs are (least, most).

    `start` in minutes after the full hour, `questions` asked with a `pause` between them, and a click on every ad after
    `click_after`, both in seconds.
    """

    start: tuple[float, float]
    questions: tuple[int, int]
    pause: tuple[float, float]
    click_after: tuple[float, float]


BURSTS: Mapping[str, Burst] = {
    "robot": Burst(start=(0, 40), questions=(150, 200), pause=(2, 4), click_after=(0.1, 0.4)),
    "click_farm": Burst(start=(0, 10), questions=(90, 110), pause=(18, 25), click_after=(1, 4)),
}
# Click spam: so many more clicks of one person on one ad, so many seconds apart. All but the first are repetitions, and
# yet more than click_log.max_clicks_per_user_hour fall into one hour of the clock, also where another begins meanwhile.
SPAM_CLICKS = (125, 200)
SPAM_PAUSE = (0.7, 1.5)


@dataclass(frozen=True, slots=True)
class BurstQuestion:
    """One question of such a visitor: when, by which kind, under which user id, as which person (number)."""

    time_us: int
    kind: str
    visitor: str
    user: int


def draw_bursts(
    kind: str, day: date, answers: int, users: int, rate: float, rng: np.random.Generator
) -> list[BurstQuestion]:
    """The questions of one day's visitors of a kind, in no order.

    `rate` is the share of `answers` that they ask for, in expectation: whole bursts come, or none.
    """
    burst = BURSTS[kind]
    questions = []
    for number in range(int(rng.poisson(rate * answers / (sum(burst.questions) / 2)))):
        start = midnight(day) + int(rng.integers(24)) * HOUR + int(rng.uniform(*burst.start) * MINUTE)
        size = int(rng.integers(*burst.questions, endpoint=True))
        times = start + np.cumsum(rng.uniform(*burst.pause, size=size) * SECOND).astype(np.int64)
        visitor = f"u{identity(kind, day.isoformat(), number)[:10]}"
        questions += [BurstQuestion(time, kind, visitor, int(rng.integers(users))) for time in times.tolist()]
    return questions


def disguised(user: UserProfile, visitor: str) -> UserProfile:
    """The profile that such a visitor shows: that of a person, under an id of its own."""
    return UserProfile(visitor, user.text, user.interests)


def click_delay(kind: str, rng: np.random.Generator) -> int:
    """Microseconds after which it clicks."""
    return int(rng.uniform(*BURSTS[kind].click_after) * SECOND)


def spam_delays(rng: np.random.Generator) -> list[int]:
    """Microseconds after the first click at which a spammer clicks again."""
    size = int(rng.integers(*SPAM_CLICKS, endpoint=True))
    return np.cumsum(rng.uniform(*SPAM_PAUSE, size=size) * SECOND).astype(np.int64).tolist()
