"""Which days have files that were not taken in yet, or late events: what the sensor remembers from look to look.

A listing is compared with what the lake says was read (`click_log_files`), so that files that a night has taken in
already start nothing. New files start something once they have kept still from one look to the next, and once only:
a day that fails on them is not started again before its files change. Nor is a day that late events are about before
there are others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

Listing = Mapping[str, str]  # file -> fingerprint


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the deliveries found, and what to remember.

    `ready` are days to take in, `settling` those whose files still change, `late` those to model again, about whose
    answers something was taken in.
    """

    ready: tuple[date, ...]
    settling: tuple[date, ...]
    late: tuple[date, ...]
    cursor: str

    @property
    def key(self) -> str:
        """Names what is started by this look: the same again when it is looked at again with the same cursor."""
        return hashlib.blake2b(self.cursor.encode(), digest_size=8).hexdigest()


def look(
    cursor: str | None,
    listings: Mapping[date, Listing],
    taken_in: Callable[[date], Listing | None],
    late: Mapping[date, str],
) -> Look:
    """Compare the files of some days with those of the last look and with what was taken in.

    Args:
        cursor: of the last look; None, or one that can't be read, remembers nothing.
        listings: the files of each day that is watched, now.
        taken_in: the files of a day as they were when it was last taken in; None when it never was.
        late: days that were not modelled since late events about them were taken in, and what names these events.
    """
    before, started_late = _remembered(cursor)
    ready, settling, remembered = [], [], {}
    for day in sorted(listings):
        listing = listings[day]
        digest = _digest(listing)
        seen, started = before.get(day.isoformat(), ("", ""))
        if not listing or digest == started:
            pass
        elif listing == taken_in(day):
            started = digest
        elif digest == seen:
            ready.append(day)
            started = digest
        else:
            settling.append(day)
        remembered[day.isoformat()] = (digest, started)
    again = {day.isoformat(): events for day, events in late.items()}
    memory = json.dumps({"files": remembered, "late": again})
    found = (day for day in sorted(late) if started_late.get(day.isoformat()) != late[day])
    return Look(tuple(ready), tuple(settling), tuple(found), memory)


def _digest(listing: Listing) -> str:
    content = json.dumps(sorted(listing.items())).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _remembered(cursor: str | None) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """(files seen and started, late events started), by day."""
    try:
        memory = json.loads(cursor or "{}")
        files = {day: (str(seen), str(started)) for day, (seen, started) in memory.get("files", {}).items()}
        return files, {day: str(events) for day, events in memory.get("late", {}).items()}
    except (ValueError, TypeError, AttributeError):
        return {}, {}
