"""The dbt project as Dagster sees it: where it lies, the executable that runs it, and its manifest.

The manifest is what dbt knows of the project without a database. It is made when it is missing or the project has
changed since, by `dbt parse`, which needs neither network nor data; loading it takes milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dagster_dbt import DbtCliResource
from packaging.version import Version

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"


class DbtProjectError(RuntimeError):
    """The dbt project can't be parsed; the message holds what dbt says about it."""


class DbtResource(DbtCliResource):
    """dagster-dbt's resource, without two things it does before every command that cost seconds each.

    It asks `dbt --version`, which looks for newer releases on the internet, and it imports dbt into the running
    process for an adapter to count rows with; `assets.feedback_models` counts them with DuckDB itself.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Any) -> Any:
        return None


def dbt_executable() -> str:
    """dbt of the running Python's environment, so that it is found when the environment is not activated."""
    beside = Path(sys.executable).parent / "dbt"
    found = str(beside) if beside.exists() else shutil.which("dbt")
    if found is None:
        raise FileNotFoundError(f"no dbt beside {sys.executable} and none on PATH: run `make install`")
    return found


def dbt_resource() -> DbtResource:
    """The resource `dbt`; the profile (DuckDB at DATA_DIR/warehouse.duckdb) lies in the project directory."""
    return DbtResource(project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=dbt_executable())


def dbt_manifest(project_dir: Path = PROJECT_DIR) -> Path:
    """The manifest of the project as it is now, parsed first when there is none yet.

    Its file is named by a hash of the project's files and dbt's versions: one that exists is never stale, and two
    processes that make it at once write the same.

    Raises:
        DbtProjectError: dbt can't parse the project.
    """
    target = project_dir / "target"
    manifest = target / f"manifest-{_fingerprint(project_dir)}.json"
    if not manifest.exists():
        target.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix="parse-") as folder:
            _parse(project_dir, Path(folder))
            os.replace(Path(folder) / "manifest.json", manifest)
        for older in target.glob("manifest-*.json"):
            if older != manifest:
                older.unlink(missing_ok=True)
    return manifest


def _parse(project_dir: Path, target: Path) -> None:
    folders = ["--project-dir", project_dir, "--profiles-dir", project_dir, "--target-path", target]
    done = subprocess.run(
        [dbt_executable(), "--quiet", "parse", *map(str, folders), "--log-path", str(target)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )
    if done.returncode != 0 or not (target / "manifest.json").exists():
        raise DbtProjectError(f"dbt can't parse {project_dir}:\n{done.stdout}{done.stderr}")


def _fingerprint(project_dir: Path) -> str:
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-duckdb')}".encode())
    sources = [path for path in project_dir.rglob("*") if path.suffix in {".sql", ".yml"} and path.is_file()]
    for path in sorted(sources):
        relative = path.relative_to(project_dir)
        if relative.parts[0] not in {"target", "logs"} and path.name != ".user.yml":
            digest.update(f"\0{relative.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
