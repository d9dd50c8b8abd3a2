"""Small generated click logs for tests, and reading them as plainly as can be."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from llm_auction.profiles import load_profile
from llm_auction.traffic import (
    FAULTS,
    Audience,
    FaultRates,
    Handling,
    ScriptedPolicy,
    TrafficConfig,
    generate_log,
    make_audience,
)

FIRST_DAY = date(2026, 3, 1)
# Big things that would make a test slow at the rate of the others.
_SELDOM = {"line_too_long": 0.0005, "too_long": 0.002, "unreadable_file": 0.2, "robot": 0.15, "click_farm": 0.1}
_SELDOM |= {"click_spam": 0.005}


@cache
def small_audience() -> Audience:
    """Sixty people of the smoke profile."""
    return make_audience(load_profile("smoke"), 60)


def every_fault() -> FaultRates:
    """Rates at which every kind of fault occurs in a log of a few thousand answers."""
    return FaultRates({name: _SELDOM.get(name, 0.01) for name in FAULTS})


def rejections() -> set[str]:
    """The faults that must be rejected."""
    return {name for name, fault in FAULTS.items() if fault.handling is Handling.REJECT}


def write_log(folder: Path, **changes: Any) -> dict[str, Any]:
    """Generate a log of the small audience; returns its manifest."""
    config = TrafficConfig(**{"first_day": FIRST_DAY, "days": 2, "answers_per_day": 300, **changes})
    audience = small_audience()
    return generate_log(folder, config, audience, ScriptedPolicy(audience.relevance_of))


def lines_of(folder: Path, day: str | None = None) -> Iterator[tuple[str, int, bytes]]:
    """(file, line, content) of every line of a plain or gzip log, in order; junk files left out."""
    for path in sorted(folder.glob(f"{day or '*'}/part-*")):
        if "-junk" not in path.name:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            for number, line in enumerate(content.split(b"\n")[:-1], start=1):
                yield path.relative_to(folder).as_posix(), number, line


def faults_of(folder: Path) -> list[dict[str, Any]]:
    """The records of `faults.jsonl`."""
    return [json.loads(line) for line in (folder / "faults.jsonl").read_text(encoding="utf-8").splitlines()]
