"""From an event to what arrives of it: after a moment, now and then a day late, now and then twice.

Answers are written by servers and arrive within a second; clicks and conversions come from people's devices, which may
be offline: only they are late. A click never arrives before its answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_auction.traffic.clock import DAY, HOUR, SECOND
from llm_auction.traffic.events import Event
from llm_auction.traffic.faults import FaultRates

ACCEPTED, DUPLICATE = "accepted", "duplicate"
LONGEST_LATENCY = 60.0  # seconds of what is not late
NEXT_DAY_DUPLICATES = 0.1


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line or row of the log.

    Attributes:
        delivered_us: when it arrives; decides the file.
        payload: an event, or a whole line that is none.
        due: what ingestion must do with it: `accepted`, `duplicate`, or the reason for which it must be rejected.
        faults: what is wrong with it (`llm_auction.traffic.faults`).
    """

    delivered_us: int
    payload: Event | bytes
    due: str
    faults: tuple[str, ...] = ()


class Courier:
    """Delivers sound events.

    Args:
        rates: how often something goes wrong.
        latency: draws the usual latencies.
        chance: draws what goes wrong; apart, so that other rates leave the rest of the log as it is.
    """

    def __init__(self, rates: FaultRates, latency: np.random.Generator, chance: np.random.Generator) -> None:
        self._rates = rates
        self._latency = latency
        self._chance = chance

    def deliver(
        self, event: Event, time_us: int, faults: tuple[str, ...] = (), *, punctual: bool = False, due: str = ACCEPTED
    ) -> list[Delivery]:
        """What arrives of an event of `time_us`; one that is `punctual` is never a day late."""
        wait = 1.0 + min(float(self._latency.exponential(10.0)), LONGEST_LATENCY)
        if event["event"] == "answer":
            wait = float(self._latency.random())
        arrives = time_us + int(wait * SECOND)
        late, strange, twice = self._chance.random(3)
        if not punctual and event["event"] != "answer" and late < self._rates["late_delivery"]:
            arrives += DAY + int(self._chance.integers(DAY))
            faults = (*faults, "late_delivery")
        if strange < self._rates["unknown_fields"]:
            event = {**event, "app_version": "7.2.0", "device": {"os": "android", "battery": 0.41}}
            faults = (*faults, "unknown_fields")
        deliveries = [Delivery(arrives, event, due, faults)]
        if twice < self._rates["duplicate"]:
            next_day = self._chance.random() < NEXT_DAY_DUPLICATES
            again = arrives + (DAY if next_day else int(self._chance.integers(SECOND, HOUR)))
            deliveries.append(Delivery(again, event, DUPLICATE, ("duplicate",)))
        return deliveries
