"""The dbt project as Dagster sees it: where it lies, its manifest, and the executable that runs it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from dagster_dbt import DbtCliResource, DbtProject

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"


def dbt_executable() -> str:
    """dbt of the running Python's environment, so that it is found when the environment is not activated."""
    beside = Path(sys.executable).parent / "dbt"
    found = str(beside) if beside.exists() else shutil.which("dbt")
    if found is None:
        raise FileNotFoundError(f"no dbt beside {sys.executable} and none on PATH: run `make install`")
    return found


def open_dbt_project() -> DbtProject:
    """The project; the profile (DuckDB at DATA_DIR/warehouse.duckdb) lies in the project directory."""
    return DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR)


def dbt_resource() -> DbtCliResource:
    """The resource `dbt`."""
    return DbtCliResource(project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=dbt_executable())
