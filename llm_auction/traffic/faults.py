"""Everything that can go wrong in a generated log, at what rate, and what ingestion owes to each.

A fault that must be rejected bears the name of the reason for which it must be (`llm_auction.click_log`). Such events
come on top of the sound ones, so that what is sound stays known: nothing else may be rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Handling(StrEnum):
    """What ingestion must do with an event."""

    REJECT = "reject"
    DEDUPLICATE = "deduplicate"
    FLAG = "flag"
    DEDUPLICATE_AND_FLAG = "deduplicate and flag"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        handling: what ingestion must do.
        rate: how often it happens by default, in [0, 1].
        per: what the rate is a share of.
        description: what happens.
        text_only: whether it can only stand in JSON Lines; Parquet has types and no broken lines.
    """

    handling: Handling
    rate: float
    per: str
    description: str
    text_only: bool = False


def _reject(rate: float, description: str, *, per: str = "answers", text_only: bool = False) -> Fault:
    return Fault(Handling.REJECT, rate, per, description, text_only)


FAULTS: Mapping[str, Fault] = {
    "unreadable_file": _reject(0.0, "one more file, which is not what its name says", per="files"),
    "line_too_long": _reject(0.0, "a line of more than 4 MiB", text_only=True),
    "bad_encoding": _reject(0.0005, "a line in Latin-1", text_only=True),
    "malformed_json": _reject(0.001, "a line that is cut off, or no JSON at all", text_only=True),
    "not_an_object": _reject(0.0002, "a line that holds a list, a number or null", text_only=True),
    "unknown_schema_version": _reject(0.0005, "a version that nobody announced"),
    "unknown_event": _reject(0.0005, "a kind of event that the contract does not know"),
    "missing_field": _reject(0.001, "a required field is missing or null"),
    "wrong_type": _reject(0.001, "a field of another type", text_only=True),
    "bad_id": _reject(0.0005, "SQL, markup or a path in an id"),
    "bad_ts": _reject(0.0005, "a time that is not RFC 3339", text_only=True),
    "future_ts": _reject(0.0005, "an event from days after its delivery"),
    "ancient_ts": _reject(0.0005, "an event from months or years before its delivery"),
    "too_long": _reject(0.0, "an answer of more characters than any real one"),
    "missing_auction": _reject(0.0005, "an answer without candidates"),
    "bad_auction": _reject(0.0005, "an auction in which one ad stands twice"),
    "negative_bid": _reject(0.0005, "a bid below 0"),
    "absurd_bid": _reject(0.0005, "a bid of a million and more"),
    "bad_sampling": _reject(0.0002, "sampling settings out of range"),
    "bad_logprob": _reject(0.0005, "a log-probability above 0"),
    "bad_value": _reject(0.0005, "a conversion of negative or absurd value"),
    "conflicting_event_id": _reject(0.0002, "another content under the event_id of a sound event"),
    "duplicate_response_id": _reject(0.0002, "a second answer under the response_id of a sound one"),
    "unknown_response": _reject(0.001, "a click or a conversion of an answer that nobody gave"),
    "ad_not_inserted": _reject(0.0005, "a click on a candidate that the answer does not show"),
    "before_answer": _reject(0.0005, "a click long before its answer"),
    "outside_window": _reject(0.001, "a click after the attribution window"),
    "conversion_without_click": _reject(0.0005, "a conversion of an ad that was shown and not clicked"),
    "duplicate": Fault(Handling.DEDUPLICATE, 0.01, "events", "delivered twice, a tenth of them on the next day"),
    "late_delivery": Fault(Handling.KEEP, 0.01, "clicks", "delivered one or two days late"),
    "clock_skew": Fault(Handling.KEEP, 0.005, "clicks", "a clock that is up to 200 s fast or slow"),
    "unknown_fields": Fault(Handling.KEEP, 0.01, "events", "fields that the contract does not know", text_only=True),
    "hostile_text": Fault(Handling.KEEP, 0.002, "answers", "SQL, markup, paths or odd characters in a question"),
    "click_spam": Fault(
        Handling.DEDUPLICATE_AND_FLAG, 0.0005, "clicks", "one person who repeats a click a hundred times and more"
    ),
    "robot": Fault(Handling.FLAG, 0.02, "answers", "robots that ask without pause and click at once"),
    "click_farm": Fault(Handling.FLAG, 0.01, "answers", "people who are paid to click on everything, for an hour"),
}


class FaultRates(Mapping[str, float]):
    """A rate for every fault, in [0, 1]: the default where none is given.

    Raises:
        ValueError: an unknown fault or a rate that is no share; the message names it.
    """

    def __init__(self, rates: Mapping[str, float] | None = None) -> None:
        given = dict(rates or {})
        unknown = sorted(set(given) - set(FAULTS))
        if unknown:
            raise ValueError(f"unknown fault {', '.join(unknown)}: `llm-auction logs faults` lists them")
        for name, rate in given.items():
            if not 0.0 <= rate <= 1.0:
                raise ValueError(f"the rate of fault {name} must lie in [0, 1], got {rate}")
        self._rates = {name: float(given.get(name, fault.rate)) for name, fault in FAULTS.items()}

    def __getitem__(self, name: str) -> float:
        return self._rates[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rates)

    def __len__(self) -> int:
        return len(self._rates)

    def __repr__(self) -> str:
        return f"FaultRates({self._rates})"

    def changed(self, rates: Mapping[str, float]) -> FaultRates:
        """The same rates but for those given."""
        return FaultRates({**self._rates, **rates})

    def without_text_only(self) -> FaultRates:
        """The same rates, 0 for what Parquet can't hold."""
        return self.changed({name: 0.0 for name, fault in FAULTS.items() if fault.text_only})


def no_faults() -> FaultRates:
    """A log in which nothing goes wrong."""
    return FaultRates(dict.fromkeys(FAULTS, 0.0))
