"""What a generated log really holds: `faults.json`, the counts of every day, and `faults.jsonl`, every fault by itself.

Days are days of delivery, as ingestion has them. For each: events (lines or rows; a file that can't be read counts as
one), how many of each kind must be accepted, how many are duplicates, how many must be rejected for which reason, and
how often each fault occurs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from llm_auction.traffic.clock import day_of
from llm_auction.traffic.delivery import ACCEPTED, DUPLICATE, Delivery

COUNTS_FILE, FAULTS_FILE = "faults.json", "faults.jsonl"


@dataclass
class DayCounts:
    """The counts of one day of delivery."""

    events: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)

    def add(self, delivery: Delivery, file: str) -> None:
        self.events += 1
        self.files.add(file)
        self.faults.update(delivery.faults)
        if delivery.due == ACCEPTED:
            assert not isinstance(delivery.payload, bytes)
            self.accepted[str(delivery.payload["event"])] += 1
        elif delivery.due == DUPLICATE:
            self.duplicates += 1
        else:
            self.rejected[delivery.due] += 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "files": sorted(self.files),
            "events": self.events,
            "accepted": dict(sorted(self.accepted.items())),
            "duplicates": self.duplicates,
            "rejected": dict(sorted(self.rejected.items())),
            "faults": dict(sorted(self.faults.items())),
        }


class Manifest:
    """Counts what is written. `undelivered` counts what would have arrived after the last day.

    Args:
        folder: of the log.
        log: what describes the log as a whole.
    """

    def __init__(self, folder: Path, log: Mapping[str, Any]) -> None:
        self.days: dict[str, DayCounts] = {}
        self.undelivered = 0
        self._folder = folder
        self._log = dict(log)
        self._faults: IO[str] = (folder / FAULTS_FILE).open("w", encoding="utf-8")

    def add(self, delivery: Delivery, file: str, line: int) -> None:
        """One line or row was written."""
        day = day_of(delivery.delivered_us).isoformat()
        self.days.setdefault(day, DayCounts()).add(delivery, file)
        for fault in delivery.faults:
            event = {} if isinstance(delivery.payload, bytes) else delivery.payload
            record = {
                "day": day,
                "file": file,
                "line": line,
                "fault": fault,
                "due": delivery.due,
                **{name: event.get(name) for name in ("event", "event_id", "response_id")},
            }
            self._faults.write(json.dumps(record, ensure_ascii=False) + "\n")

    def add_junk(self, day: str, file: str) -> None:
        """A whole file that can't be read was written."""
        counts = self.days[day]
        counts.events += 1
        counts.files.add(file)
        counts.rejected["unreadable_file"] += 1
        counts.faults["unreadable_file"] += 1
        record = {"day": day, "file": file, "line": None, "fault": "unreadable_file", "due": "unreadable_file"}
        self._faults.write(json.dumps(record) + "\n")

    def close(self) -> dict[str, Any]:
        """Write `faults.json` and return its content."""
        self._faults.close()
        content = {
            "log": self._log,
            "days": {day: counts.as_dict() for day, counts in sorted(self.days.items())},
            "undelivered": self.undelivered,
        }
        (self._folder / COUNTS_FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
        return content


def read_manifest(folder: Path) -> dict[str, Any]:
    """The counts of the log in `folder`.

    Raises:
        ValueError: the folder holds no generated log.
    """
    path = folder / COUNTS_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no generated log: {COUNTS_FILE} is missing") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} can't be read: {error}") from error
