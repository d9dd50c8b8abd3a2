"""Generate a click log: real log files of simulated traffic, and a manifest of what is wrong with them."""

from __future__ import annotations

import heapq
import os
import shutil
import uuid
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from llm_auction.seeds import generator
from llm_auction.traffic.audience import Audience
from llm_auction.traffic.config import TrafficConfig
from llm_auction.traffic.day import DayTraffic
from llm_auction.traffic.delivery import Delivery
from llm_auction.traffic.files import LogFiles
from llm_auction.traffic.manifest import COUNTS_FILE, Manifest
from llm_auction.traffic.policies import Policy

Progress = Callable[[date, int], None]


def generate_log(
    folder: Path,
    config: TrafficConfig,
    audience: Audience,
    policy: Policy,
    *,
    replace: bool = False,
    on_progress: Progress = lambda day, events: None,
) -> dict[str, Any]:
    """Write the log to `folder` and return its manifest (`faults.json`).

    The same configuration, audience and policy give the same files, byte by byte. The folder appears when the log is
    complete; memory holds what is still to be delivered, never a whole day.

    Args:
        folder: new; its files are `DATE/part-NN.FORMAT`.
        config, audience, policy: what is generated.
        replace: take the place of an earlier generated log, with everything in its folder.
        on_progress: told (day, events written so far) now and then.

    Raises:
        ValueError: the folder exists and `replace` is not given, or it holds no generated log.
    """
    refuse_to_overwrite(folder, replace)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.parent / f".{folder.name}-{uuid.uuid4().hex[:8]}"
    aside.mkdir()
    try:
        content = _write(aside, config, audience, policy, on_progress)
        if folder.exists():
            old = folder.parent / f"{aside.name}-old"
            os.replace(folder, old)
            os.replace(aside, folder)
            shutil.rmtree(old)
        else:
            os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return content


def refuse_to_overwrite(folder: Path, replace: bool) -> None:
    """Whether a log may be written to `folder`: only where there is nothing, or a generated log to replace.

    Raises:
        ValueError: says what is there and what to do.
    """
    if not folder.exists():
        return
    if not (folder / COUNTS_FILE).is_file():
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            return
        raise ValueError(f"{folder} exists and is no generated log: nothing there is touched; choose another folder")
    if not replace:
        raise ValueError(f"{folder} holds a generated log already: replace it with --replace, or choose another folder")


def _write(
    folder: Path, config: TrafficConfig, audience: Audience, policy: Policy, on_progress: Progress
) -> dict[str, Any]:
    log = {
        "first_day": config.first_day.isoformat(),
        "days": config.days,
        "answers_per_day": config.answers_per_day,
        "seed": config.seed,
        "format": config.format,
        "drift": config.drift,
        "policy_version": policy.version,
        "rates": dict(config.faults),
        "incidents": {day.isoformat(): dict(rates) for day, rates in sorted(config.incidents.items())},
    }
    manifest = Manifest(folder, log)
    outbox: list[tuple[int, int, Delivery]] = []
    number = written = 0
    with LogFiles(folder, config.format, config.files_per_day) as files:
        for day in config.dates():
            for horizon, deliveries in DayTraffic(day, config, audience, policy).run():
                for delivery in deliveries:
                    heapq.heappush(outbox, (delivery.delivered_us, number, delivery))
                    number += 1
                while outbox and outbox[0][0] < horizon:
                    delivery = heapq.heappop(outbox)[-1]
                    manifest.add(delivery, *files.write(delivery.delivered_us, delivery.payload))
                    written += 1
                on_progress(day, written)
        for day in config.dates():
            _add_junk(day, config, files, manifest)
    manifest.undelivered = len(outbox)
    return manifest.close()


def _add_junk(day: date, config: TrafficConfig, files: LogFiles, manifest: Manifest) -> None:
    """Files that can't be read, beside some of those of the day."""
    rate, chance = config.faults_of(day)["unreadable_file"], generator(config.seed, "traffic", day.isoformat(), "junk")
    for file in sorted(manifest.days[day.isoformat()].files):
        if chance.random() < rate:
            manifest.add_junk(day.isoformat(), files.write_junk(file, b"PK\x03\x04" + chance.bytes(2000)))
