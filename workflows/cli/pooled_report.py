"""One report over several seeds, made from what their runs left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli.state import pooled_dir, report_folder, seed_dir

if TYPE_CHECKING:
    from llm_auction.report.build import ReportFiles


def pool_seeds(
    seeds: Sequence[int], profile: str | None, overrides: Mapping[str, str], data_dir: Path | None
) -> ReportFiles:
    """Compare the runs of these seeds together and write the report.

    Raises:
        ValueError: a seed hasn't been run and evaluated, or the runs can't be pooled.
    """
    from assets.study import load_seed_run, write_report
    from llm_auction.profiles import load_profile
    from resources.lake import Lake, MissingPartition
    from resources.model_store import ModelStore
    from workflows.environment import default_data_dir

    runs = []
    for seed in seeds:
        loaded = load_profile(profile, {**overrides, "seed": str(seed)})
        folder = seed_dir(data_dir, seed) if data_dir else default_data_dir(loaded)
        try:
            runs.append(load_seed_run(Lake(data_dir=str(folder)), ModelStore(data_dir=str(folder))))
        except MissingPartition as error:
            raise ValueError(
                f"seed {seed} has no results in {folder} ({error}): run `llm-auction run --seed {seed}`"
            ) from None
    folder = report_folder(pooled_dir(loaded.name, seeds, data_dir))
    return write_report(runs, folder, loaded)
