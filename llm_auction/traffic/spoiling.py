"""What it takes to spoil a sound answer of the log in one way: the answer, ids for the spoilt event, chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from llm_auction.profiles.schema import ClickLogConfig
from llm_auction.traffic.clock import SECOND
from llm_auction.traffic.events import Event, click_event, conversion_event, identity

AFTER_THE_ANSWER = 10 * SECOND  # when a spoilt event is delivered: surely after the answer that it refers to
Choice = TypeVar("Choice")


@dataclass(frozen=True, slots=True)
class BadEvent:
    """What is written in the log in place of a sound event: an event or a whole line, and when it is delivered."""

    payload: Event | bytes
    delivered_us: int


@dataclass(frozen=True, slots=True)
class Victim:
    """A sound answer that is spoilt.

    Attributes:
        event: the answer.
        time_us: when it was given.
        inserted: the ads that it shows.
        clicked: those that were clicked, or will be.
        number: tells the spoilt events of one answer apart.
        rules: of ingestion.
        rng: what chance decides.
    """

    event: Event
    time_us: int
    inserted: Sequence[str]
    clicked: frozenset[str]
    number: str
    rules: ClickLogConfig
    rng: np.random.Generator

    @property
    def response_id(self) -> str:
        return str(self.event["response_id"])

    @property
    def unclicked(self) -> str | None:
        """An ad that is shown and never clicked."""
        return next((ad_id for ad_id in self.inserted if ad_id not in self.clicked), None)

    def copy(self) -> Event:
        """The same answer under ids of its own."""
        response_id = identity("bad", self.response_id, self.number)
        return {
            **self.event,
            "event_id": identity("bad answer", response_id),
            "response_id": response_id,
            "auction": [dict(candidate) for candidate in self.event["auction"]],
            "sampling": dict(self.event["sampling"]),
        }

    def copy_of_any_kind(self) -> Event:
        """An answer, a click or a conversion, under ids of its own."""
        answer = self.copy()
        response_id, ad_id = str(answer["response_id"]), str(answer["auction"][0]["ad_id"])
        time_us = self.time_us + SECOND
        return self.pick(
            (answer, click_event(response_id, ad_id, time_us), conversion_event(response_id, ad_id, time_us, 9.5))
        )

    def renamed(self, event: Event) -> Event:
        """The event under an event_id of its own."""
        return {**event, "event_id": identity("bad", str(event["event_id"]), self.number)}

    def deliver(self, payload: Event | bytes) -> BadEvent:
        """Right after the answer."""
        return BadEvent(payload, self.time_us + AFTER_THE_ANSWER)

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.rng.integers(len(choices)))]
