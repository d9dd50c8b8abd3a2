"""Where the state of runs lies, as far as commands must find it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

REPORT = "report"  # the folder of study_report within a state folder


def report_folder(data_dir: Path) -> Path:
    """The folder of `report.html` and `results.json` of one state folder."""
    return data_dir / REPORT


def seed_dir(data_dir: Path, seed: int) -> Path:
    """The state folder of one of several seeds, where the user named a folder for all of them."""
    return data_dir / f"seed{seed}"


def pooled_dir(profile: str, seeds: Sequence[int], data_dir: Path | None) -> Path:
    """The folder that takes the report on several seeds."""
    from workflows.environment import ROOT

    return data_dir or ROOT / "data" / f"{profile}-seeds-{'-'.join(map(str, seeds))}"


def find_report(profile: str | None, seed: int | None, data_dir: Path | None) -> Path:
    """The folder of the report of one profile and seed; of the newest report of all when none of them is named.

    Raises:
        ValueError: there is none yet.
    """
    from llm_auction.profiles import load_profile
    from workflows.environment import ROOT, default_data_dir

    if profile is None and seed is None and data_dir is None:
        found = sorted((ROOT / "data").glob(f"*/{REPORT}/report.html"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise ValueError(f"no report below {ROOT / 'data'} yet: run `llm-auction run`")
        return found[-1].parent
    loaded = load_profile(profile, None if seed is None else {"seed": str(seed)})
    folder = report_folder(data_dir or default_data_dir(loaded))
    if not (folder / "report.html").is_file():
        which = f"--profile {loaded.name}" + (f" --seed {loaded.seed}" if loaded.seed else "")
        raise ValueError(f"no report in {folder} yet: run `llm-auction run {which}`")
    return folder
