"""The state folder of a run and the environment variables that point every tool at it.

Everything a run leaves behind lies in one data directory: `data/<profile>` (with `-seed<k>` for another seed than 0),
or DATA_DIR. Dagster's own records lie in its `dagster_home`, with a copy of the tracked `dagster.yaml`, which Dagster
reads from nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm_auction.profiles import PROFILE_VARIABLE, Profile, load_profile
from resources.storage import ROOM, storage_errors

if TYPE_CHECKING:
    from dagster import DagsterInstance

ROOT = Path(__file__).resolve().parents[1]
DAGSTER_HOME = "dagster_home"  # within the state folder
# What DuckDB takes for a pattern, dbt-duckdb for a name to fill in, and dbt's models for the partition of a file.
_UNREADABLE = re.compile(r"[][*?{}]|(?:arm|iteration)=")

# No tool reports home, unless the user says so; and one thread a process: the embedded models are small, and threads
# that wait for each other are slower than one.
DEFAULTS = {
    "DAGSTER_DISABLE_TELEMETRY": "true",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """A prepared run: its profile, its state folder, and Dagster's home inside it."""

    profile: Profile
    data_dir: Path
    dagster_home: Path


def default_data_dir(profile: Profile) -> Path:
    """DATA_DIR, or `data/<profile>[-seed<k>]` in the project."""
    given = os.environ.get("DATA_DIR")
    if given:
        return Path(given).expanduser().resolve()
    suffix = f"-seed{profile.seed}" if profile.seed else ""
    return ROOT / "data" / f"{profile.name}{suffix}"


def prepare_environment(
    profile: str | None = None,
    seed: int | None = None,
    data_dir: Path | str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Environment:
    """Validate the profile, make the state folder, and set the environment of this process and its children.

    `overrides` replace single fields of the profile ({"dpo.epochs": "1"}), for children too.

    Raises:
        ProfileError: a wrong profile or field, before anything is written.
        ValueError: the data directory's path holds what its readers take for a pattern, before anything is written.
        StorageError: the data directory can't be written, or its disk is full.
    """
    changes = {**(overrides or {}), **({"seed": str(seed)} if seed is not None else {})}
    loaded = load_profile(profile, changes)
    folder = Path(data_dir).expanduser().resolve() if data_dir else default_data_dir(loaded)
    _refuse_pattern(folder)
    home = folder / DAGSTER_HOME
    with storage_errors(folder):
        home.mkdir(parents=True, exist_ok=True)
        configuration = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        copy = home / "dagster.yaml"
        if not copy.exists() or copy.read_text(encoding="utf-8") != configuration:
            copy.write_text(configuration, encoding="utf-8")
        probe = folder / f".writable-{os.getpid()}"
        try:
            probe.write_bytes(bytes(ROOM))  # an empty file can be made on a full disk
        finally:
            probe.unlink(missing_ok=True)
    for field, value in changes.items():
        os.environ["LLM_AUCTION__" + field.replace(".", "__").upper()] = value
    os.environ[PROFILE_VARIABLE] = loaded.name
    os.environ["DATA_DIR"] = str(folder)
    os.environ["DAGSTER_HOME"] = str(home)
    _set_tool_defaults(loaded)
    return Environment(loaded, folder, home)


def point_tools_at_data_dir() -> Path:
    """The data directory of this process, with DATA_DIR and the tools' switches set where they are not.

    For processes that Dagster starts by itself, such as `dagster dev` without our command line.
    """
    loaded = load_profile()
    folder = default_data_dir(loaded)
    _refuse_pattern(folder)
    os.environ["DATA_DIR"] = str(folder)
    _set_tool_defaults(loaded)
    return folder


def _refuse_pattern(folder: Path) -> None:
    found = _UNREADABLE.search(str(folder))
    if found is not None:
        raise ValueError(
            f"the data directory {folder} holds {found[0]!r}, which DuckDB or dbt would not take as a part of its "
            "name: set DATA_DIR to another"
        )


def _set_tool_defaults(profile: Profile) -> None:
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if profile.ad_llm.base == "embedded":
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def set_pool_limits(instance: DagsterInstance) -> None:
    """Let sampling and training of several arms go side by side on processors; on a GPU one at a time.

    LLM_AUCTION_GPU_POOL sets the limit by hand.

    Raises:
        ValueError: that is no whole number of at least 1.
    """
    given = os.environ.get("LLM_AUCTION_GPU_POOL")
    if given is not None and (not given.isdigit() or given == "0"):
        raise ValueError(f"LLM_AUCTION_GPU_POOL must be a whole number of at least 1, got {given!r}")
    limit = int(given) if given else (1 if _has_gpu() else os.cpu_count() or 1)
    instance.event_log_storage.set_concurrency_slots("gpu", limit)
    instance.event_log_storage.set_concurrency_slots("duckdb", 1)


def _has_gpu() -> bool:
    """Whether an NVIDIA GPU is there, without the seconds that importing torch takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible not in ("", "-1") and Path("/proc/driver/nvidia/version").exists()
