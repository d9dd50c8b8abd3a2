"""A training process of its own: `python -m resources.training_process job.json`, started by `TrainingLauncher`.

Reports losses and metrics through Dagster Pipes, from rank 0 only.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from dagster_pipes import open_dagster_pipes

from llm_auction.profiles.schema import DpoConfig
from resources.launcher import error_file, step_line


def run(job_path: Path) -> None:
    """Train as the job file says."""
    try:
        if os.environ.get("RANK", "0") != "0":
            _train(job_path, None)
            return
        with open_dagster_pipes() as pipes:

            def tell(step: dict[str, float]) -> None:
                pipes.log.info(step_line(step))  # streams; custom messages are handed over at the end
                pipes.report_custom_message({"step": step})

            pipes.report_custom_message({"metrics": _train(job_path, tell)})
    except Exception as error:
        # The first process to fail knows why; the others only see that it has gone.
        with suppress(FileExistsError), error_file(job_path).open("x", encoding="utf-8") as file:
            file.write(str(error))
        raise


def _train(job_path: Path, on_log: Any) -> dict[str, Any]:
    from llm_auction.irpo.preference_pairs import read_sets
    from llm_auction.irpo.training import train_dpo

    job = json.loads(job_path.read_text(encoding="utf-8"))
    result = train_dpo(
        Path(job["start_dir"]),
        read_sets(Path(job["pairs"])),
        DpoConfig.model_validate(job["config"]),
        job["delta_th"],
        Path(job["output_dir"]),
        job["seed"],
        Path(job["checkpoint_dir"]),
        on_log,
        Path(job["reference_dir"]) if job["reference_dir"] else None,
    )
    return dict(result.metrics)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
