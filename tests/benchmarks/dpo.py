"""Prefix-shared DPO against TRL's `DPOTrainer` with precomputed reference, on the same pairs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.dpo_process import PROMPTS
from tests.benchmarks.records import Record, device_name

CASES = ((100, 40, 5), (1000, 100, 5), (3000, 300, 5))
BASELINE = "trl.DPOTrainer, precomputed reference"


def dpo_records(folder: Path, repeats: int) -> Iterator[Record]:
    """Time and peak memory of one training step (forward and backward), for every case."""
    for prompt, answer, answers in CASES:
        case = f"dpo/{prompt}x{answer}x{answers}"
        ours = _measure("ours", folder, (prompt, answer, answers), repeats)
        theirs = _measure("trl", folder, (prompt, answer, answers), repeats)
        mine, other = (np.load(folder / f"{side}.npy") for side in ("ours", "trl"))
        gradients = float(np.linalg.norm(mine - other) / np.linalg.norm(other))
        exact = max(gradients, ours["logprob_deviation"])
        for bench, figure, unit in (("dpo_time", "seconds", "s/prompt"), ("dpo_memory", "bytes", "MiB")):
            scale = 1 / PROMPTS[prompt] if figure == "seconds" else 2**-20
            value, against = ours[figure] * scale, theirs[figure] * scale
            yield Record(bench, case, value, unit, against, against / value, device_name(), exact, BASELINE)


def _measure(side: str, folder: Path, case: tuple[int, int, int], repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.dpo_process", side, str(folder), *map(str, case), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
