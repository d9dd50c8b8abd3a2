"""One report over several seeds, made from what their runs left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.cli.state import pooled_dir, report_folder, seed_dir

if TYPE_CHECKING:
    from llm_auction.report.build import ReportFiles
    from llm_auction.report.study import SeedRun


def seed_folders(
    seeds: Sequence[int], profile: str | None, overrides: Mapping[str, str], data_dir: Path | None
) -> dict[int, Path]:
    """The state folder of every seed.

    Raises:
        ProfileError: the configuration is wrong.
    """
    from llm_auction.profiles import load_profile
    from workflows.environment import default_data_dir

    loaded = {seed: load_profile(profile, {**overrides, "seed": str(seed)}) for seed in seeds}
    return {seed: seed_dir(data_dir, seed) if data_dir else default_data_dir(one) for seed, one in loaded.items()}


def pool_seeds(
    folders: Mapping[int, Path],
    profile: str | None,
    overrides: Mapping[str, str],
    data_dir: Path | None,
    failed: Sequence[str] = (),
) -> ReportFiles:
    """Compare the runs in the state folders of these seeds together and write the report.

    Args:
        folders, profile, overrides, data_dir: as for `seed_folders`.
        failed: what a study went on without, a line each; the page names it.

    Raises:
        ValueError: a seed hasn't been run and evaluated, or the runs can't be pooled.
    """
    from assets.study import write_report
    from llm_auction.profiles import load_profile

    loaded = load_profile(profile, {**overrides, "seed": str(min(folders))})
    runs = [_run_of(seed, folder, loaded.name) for seed, folder in folders.items()]
    return write_report(runs, report_folder(pooled_dir(loaded.name, list(folders), data_dir)), loaded, failed)


def name_failures(
    seed: int, folder: Path, profile: str | None, overrides: Mapping[str, str], failed: Sequence[str]
) -> None:
    """Write the report of one seed again, so that its page names what failed; its own stage could not know.

    Raises:
        ValueError: the seed has no results.
    """
    from assets.study import write_report
    from llm_auction.profiles import load_profile

    loaded = load_profile(profile, {**overrides, "seed": str(seed)})
    write_report([_run_of(seed, folder, loaded.name)], report_folder(folder), loaded, failed)


def _run_of(seed: int, folder: Path, profile: str) -> SeedRun:
    from dataclasses import replace

    from dagster import DagsterInstance

    from assets.study import load_seed_run, runs_behind
    from resources.lake import Lake, MissingPartition
    from resources.model_store import ModelStore
    from workflows.environment import DAGSTER_HOME

    try:
        found = load_seed_run(Lake(data_dir=str(folder)), ModelStore(data_dir=str(folder)))
    except MissingPartition as error:
        raise ValueError(
            f"seed {seed} has no results in {folder} ({error}): "
            f"run `llm-auction run --profile {profile} --seed {seed} --data-dir {folder}`"
        ) from None
    with DagsterInstance.from_config(str(folder / DAGSTER_HOME)) as instance:
        return replace(found, runs=runs_behind(instance, found))
