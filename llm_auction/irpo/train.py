"""Preference optimisation as a plain script: no Dagster, so that any launcher can start it anywhere.

    python -m llm_auction.irpo.train --start DIR --pairs FILE.parquet --output DIR --config FILE.json

`--config` holds the fields of the profile's `dpo` section, and `delta_th` and `seed`. One JSON object a line goes to
standard output: `{"event": "step", ...}` after every step, at the end `{"event": "done", "metrics": {...}}`, or
`{"event": "error", "message": ...}` with exit status 1, before a traceback where it is none of the user's. Started
again after a kill, it goes on from its checkpoint.

Many processes: `torchrun --nproc-per-node=N -m -- llm_auction.irpo.train --start ...` (the `--` keeps torchrun from
taking `--start` for its own), or, to divide the weights among them as well, `accelerate launch --config_file
docs/fsdp2.yaml -m llm_auction.irpo.train --start ...`; only rank 0 reports.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError

from llm_auction.irpo.preference_pairs import read_sets
from llm_auction.irpo.training import train_dpo
from llm_auction.profiles.schema import DpoConfig


class TrainConfig(DpoConfig):
    """The `dpo` section of a profile, and the two numbers that a training needs beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    delta_th: float
    seed: int


def read_config(path: Path) -> TrainConfig:
    """The script's configuration; ValueError that names the file and the field."""
    try:
        return TrainConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"configuration {path} can't be read: {error.strerror}") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, part['loc'])) or 'file'}: {part['msg']}" for part in error.errors())
        raise ValueError(f"configuration {path}: {problems}") from None


def emit(event: str, **fields: Any) -> None:
    """One JSON line, at once, from rank 0."""
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps({"event": event, **fields}), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and train; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m llm_auction.irpo.train", description=__doc__)
    parser.add_argument("--start", type=Path, required=True, help="model directory of the iteration's start")
    parser.add_argument("--reference", type=Path, help="model directory of the reference; default: the start")
    parser.add_argument("--pairs", type=Path, required=True, help="Parquet file of preference sets")
    parser.add_argument("--output", type=Path, required=True, help="directory to make for the tuned model")
    parser.add_argument("--config", type=Path, required=True, help="JSON: the dpo section, delta_th and seed")
    parser.add_argument("--checkpoints", type=Path, help="default: the output's name with .checkpoints")
    options = parser.parse_args(arguments)
    checkpoints = options.checkpoints or options.output.with_name(options.output.name + ".checkpoints")
    try:
        config = read_config(options.config)
        dpo = DpoConfig(**config.model_dump(exclude={"delta_th", "seed"}))
        result = train_dpo(
            options.start,
            read_sets(options.pairs),
            dpo,
            config.delta_th,
            options.output,
            config.seed,
            checkpoints,
            lambda figures: emit("step", **figures),
            options.reference,
        )
    except (ValueError, OSError, MemoryError) as error:
        emit("error", message=str(error))
        if (rank := os.environ.get("RANK", "0")) != "0":
            print(f"process {rank}: {error}", file=sys.stderr)  # rank 0 may only see that this one has gone
        return 1
    except Exception as error:  # of the GPU or the exchange between processes: where it came from matters
        emit("error", message=f"{type(error).__name__}: {error}")
        raise
    emit("done", output=str(result.model_dir), metrics=result.metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())
