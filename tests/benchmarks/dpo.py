"""Prefix-shared DPO against TRL's `DPOTrainer` with precomputed reference, on the same pairs.

Tokens a second count each distinct token of prompts and answers once on either side: what is learnt from, in the time
that it takes. The share of the peak counts what each side's way has to compute (`operations`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.models import EMBEDDED, REAL, BenchModel
from tests.benchmarks.operations import shared_work
from tests.benchmarks.records import Record, device_name, not_run

CASES = ((100, 40, 5), (1000, 100, 5), (3000, 300, 5))
# Prompts in a step by prompt length: about as many tokens each.
PROMPTS = {100: 8, 1000: 2, 3000: 1}
# Gradients are compared in every case; fifty steps of the largest would take an hour for TRL's side alone.
CURVE_CASE, CURVE_STEPS = CASES[0], 50
BASELINE = "trl.DPOTrainer, precomputed reference"


def dpo_records(folder: Path, repeats: int, known: Collection[str]) -> Iterator[Record]:
    """Time, peak memory, tokens a second and share of the peak of one training step (forward and backward) for every
    case, and the loss over fifty; the shapes of real models where there is a GPU."""
    yield from _step_records(EMBEDDED, folder, repeats, known)
    yield from _curve_records(folder, known)
    for model in REAL:
        if torch.cuda.is_available():
            yield from _step_records(model, folder, repeats, known)
        else:
            reason = f"PyTorch {torch.__version__} sees no CUDA GPU here, and a step would take a processor hours"
            yield from (not_run("dpo", _name(model, case), reason, BASELINE) for case in CASES)


def _name(model: BenchModel, case: tuple[int, int, int]) -> str:
    return f"dpo/{'x'.join(map(str, case))}{'' if model is EMBEDDED else f'-{model.name}'}"


def _step_records(model: BenchModel, folder: Path, repeats: int, known: Collection[str]) -> Iterator[Record]:
    for case in CASES:
        name, prompts = _name(model, case), PROMPTS[case[0]]
        if name in known:
            continue
        model.write(folder)
        settings = {"model": asdict(model), "case": case, "prompts": prompts, "number": repeats}
        try:
            ours, theirs = (_measure("step", side, folder, settings) for side in ("ours", "trl"))
        except MemoryError as error:
            yield not_run("dpo", name, str(error), BASELINE)
            continue
        mine, other = (np.load(folder / f"{side}.npy") for side in ("ours", "trl"))
        exact = max(float(np.linalg.norm(mine - other) / np.linalg.norm(other)), ours["logprob_deviation"])

        def record(
            bench: str, unit: str, value: float, against: float, better: str, *, name: str = name, exact: float = exact
        ) -> Record:
            ratio = value / against if better == "more" else against / value
            return Record(bench, name, value, unit, against, ratio, device_name(), exact, BASELINE)

        yield record("dpo_time", "s/prompt", ours["seconds"] / prompts, theirs["seconds"] / prompts, "less")
        yield record("dpo_memory", "MiB", ours["bytes"] * 2**-20, theirs["bytes"] * 2**-20, "less")
        tokens = prompts * shared_work(*case).tokens
        yield record("dpo_tokens", "tokens/s", tokens / ours["seconds"], tokens / theirs["seconds"], "more")
        peaks = [side["peak"] for side in (ours, theirs)]
        if None in peaks:
            reason = f"no peak of {device_name()} in {model.dtype} is known: add its data sheet's to device_peak.py"
            yield Record("dpo_peak_share", name, None, "%", None, None, device_name(), None, BASELINE, reason)
        else:
            shares = [100 * side["operations"] / side["seconds"] / max(peaks) for side in (ours, theirs)]
            yield record("dpo_peak_share", "%", *shares, "more")


def _curve_records(folder: Path, known: Collection[str]) -> Iterator[Record]:
    name = f"{_name(EMBEDDED, CURVE_CASE)}-curve"
    if name in known:
        return
    EMBEDDED.write(folder)
    prompts = PROMPTS[CURVE_CASE[0]]
    settings = {"model": asdict(EMBEDDED), "case": CURVE_CASE, "prompts": prompts, "number": CURVE_STEPS}
    mine, other = (_measure("curve", side, folder, settings)["losses"] for side in ("ours", "trl"))
    exact = max(abs(one / two - 1) for one, two in zip(mine, other, strict=True))
    unit = f"loss, step {CURVE_STEPS}"
    yield Record("dpo_loss", name, mine[-1], unit, other[-1], other[-1] / mine[-1], device_name(), exact, BASELINE)


def _measure(what: str, side: str, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    module = "tests.benchmarks.dpo_process"
    command = [sys.executable, "-m", module, what, side, str(folder), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "out of memory" in done.stderr:
        raise MemoryError(f"{device_name()} ran out of memory in the step of {side}")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
