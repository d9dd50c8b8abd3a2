"""The resource `dbt`: dagster-dbt's, without what costs seconds before every command."""

from __future__ import annotations

import sys
from functools import cached_property
from importlib.metadata import version
from typing import Any

from dagster_dbt import DbtCliResource
from packaging.version import Version

from resources.dbt_project import PROJECT_DIR


class DbtResource(DbtCliResource):
    """dagster-dbt's resource, without two things that it does before every command.

    It asks `dbt --version`, which looks for newer releases on the internet, and it imports dbt into the running
    process for an adapter to count rows with; `assets.feedback_models` counts them with DuckDB itself.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Any) -> Any:
        return None


def dbt_resource() -> DbtResource:
    """The resource `dbt`; the profile (DuckDB at DATA_DIR/warehouse.duckdb) lies in the project directory."""
    return DbtResource(
        project_dir=str(PROJECT_DIR),
        profiles_dir=str(PROJECT_DIR),
        # Together they are what stands before dbt's own arguments.
        dbt_executable=sys.executable,
        global_config_flags=["-m", "resources.dbt_process"],
    )
