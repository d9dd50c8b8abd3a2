"""What log to generate: which days, how much traffic, and what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, get_args

from llm_auction.profiles.schema import BiddingConfig, ClickLogConfig
from llm_auction.traffic.faults import FaultRates

LogFormat = Literal["jsonl", "jsonl.gz", "jsonl.zst", "parquet"]
MOST_FILES_PER_DAY = 1440


@dataclass(frozen=True, slots=True)
class TrafficConfig:
    """One click log.

    Attributes:
        first_day: its first day (UTC).
        days: how many days it has.
        answers_per_day: answers that people get on each day; those of robots come on top.
        seed: of every draw.
        format: of the files.
        files_per_day: each holds what was delivered in an equal part of the day.
        drift: how far tastes move in a day (`llm_auction.traffic.tastes`); 0 keeps them.
        conversion_rate: share of clicks that convert.
        bidding: how bids are drawn.
        rules: of ingestion, so that late is late and absurd is absurd.
        faults: what goes wrong how often.
        incidents: other rates on single days, such as the release of a broken logger.

    Raises:
        ValueError: a value out of range; the message names it.
    """

    first_day: date
    days: int = 7
    answers_per_day: int = 1000
    seed: int = 0
    format: LogFormat = "jsonl.gz"
    files_per_day: int = 8
    drift: float = 0.0
    conversion_rate: float = 0.08
    bidding: BiddingConfig = field(default_factory=BiddingConfig)
    rules: ClickLogConfig = field(default_factory=ClickLogConfig)
    faults: FaultRates = field(default_factory=FaultRates)
    incidents: Mapping[date, FaultRates] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.format not in get_args(LogFormat):
            raise ValueError(f"traffic: format must be one of {', '.join(get_args(LogFormat))}, got {self.format!r}")
        for name in ("days", "answers_per_day", "files_per_day"):
            if getattr(self, name) < 1:
                raise ValueError(f"traffic: {name} must be >= 1, got {getattr(self, name)}")
        if self.files_per_day > MOST_FILES_PER_DAY:
            raise ValueError(f"traffic: files_per_day must be <= {MOST_FILES_PER_DAY}, got {self.files_per_day}")
        if self.drift < 0.0:
            raise ValueError(f"traffic: drift must be >= 0, got {self.drift}")
        if not 0.0 <= self.conversion_rate <= 1.0:
            raise ValueError(f"traffic: conversion_rate must lie in [0, 1], got {self.conversion_rate}")
        outside = sorted(set(self.incidents) - set(self.dates()))
        if outside:
            raise ValueError(f"traffic: the incident of {outside[0]} lies outside the log ({self._span()})")

    def dates(self) -> list[date]:
        """The days, in order."""
        return [self.first_day + timedelta(days=number) for number in range(self.days)]

    def faults_of(self, day: date) -> FaultRates:
        """The rates that hold on a day, for this format."""
        rates = self.incidents.get(day, self.faults)
        return rates.without_text_only() if self.format == "parquet" else rates

    def _span(self) -> str:
        return f"{self.first_day} to {self.dates()[-1]}"
