"""Prefix-shared DPO against TRL's `DPOTrainer` with precomputed reference, on the same pairs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.dpo_process import PROMPTS
from tests.benchmarks.records import Record, device_name

CASES = ((100, 40, 5), (1000, 100, 5), (3000, 300, 5))
# Gradients are compared in every case; fifty steps of the largest would take an hour for TRL's side alone.
CURVE_CASE, CURVE_STEPS = CASES[0], 50
BASELINE = "trl.DPOTrainer, precomputed reference"


def dpo_records(folder: Path, repeats: int, known: Collection[str]) -> Iterator[Record]:
    """Time and peak memory of one training step (forward and backward) for every case, and the loss over fifty."""
    for prompt, answer, answers in CASES:
        case = f"dpo/{prompt}x{answer}x{answers}"
        if case in known:
            continue
        ours = _measure("step", "ours", folder, (prompt, answer, answers), repeats)
        theirs = _measure("step", "trl", folder, (prompt, answer, answers), repeats)
        mine, other = (np.load(folder / f"{side}.npy") for side in ("ours", "trl"))
        gradients = float(np.linalg.norm(mine - other) / np.linalg.norm(other))
        exact = max(gradients, ours["logprob_deviation"])
        for bench, figure, unit in (("dpo_time", "seconds", "s/prompt"), ("dpo_memory", "bytes", "MiB")):
            scale = 1 / PROMPTS[prompt] if figure == "seconds" else 2**-20
            value, against = ours[figure] * scale, theirs[figure] * scale
            yield Record(bench, case, value, unit, against, against / value, device_name(), exact, BASELINE)

    case = f"dpo/{'x'.join(map(str, CURVE_CASE))}-curve"
    if case not in known:
        mine, other = (_measure("curve", side, folder, CURVE_CASE, CURVE_STEPS)["losses"] for side in ("ours", "trl"))
        exact = max(abs(one / two - 1) for one, two in zip(mine, other, strict=True))
        unit = f"loss, step {CURVE_STEPS}"
        yield Record("dpo_loss", case, mine[-1], unit, other[-1], other[-1] / mine[-1], device_name(), exact, BASELINE)


def _measure(what: str, side: str, folder: Path, case: tuple[int, int, int], number: int) -> dict[str, Any]:
    module = "tests.benchmarks.dpo_process"
    command = [sys.executable, "-m", module, what, side, str(folder), *map(str, case), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
