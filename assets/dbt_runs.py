"""Running the dbt models of one partition: one command, its tables with their row counts, its tests as checks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    Failure,
    MetadataValue,
    Output,
    PartitionsDefinition,
)
from dagster_dbt import (
    DagsterDbtCliRuntimeError,
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtProject,
)

from assets.dbt_test_words import words_for
from resources.dbt import DbtResource
from resources.duckdb_reader import open_read_only
from resources.lake import Lake
from resources.storage import full_disk, tells_of_full_disk


class LakeTranslator(DagsterDbtTranslator):
    """A dbt source is the asset that writes it; groups and owners stand in `dbt_project.yml`.

    `assets` names the asset where a source has another name than it: several tables may come of one asset. With
    `partitions`, those of the models, the verdict of a data test is kept for each partition as well.
    """

    def __init__(
        self, assets: Mapping[str, str] | None = None, partitions: PartitionsDefinition[str] | None = None
    ) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))
        self._assets = assets or {}
        self._partitions = partitions

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        name = dbt_resource_props["name"]
        return AssetKey(self._assets.get(name, name) if dbt_resource_props["resource_type"] == "source" else name)

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the model holds, and the file of its SQL, which would otherwise stand above its columns."""
        return f"{dbt_resource_props['description']}\n\nSQL: `dbt_project/{dbt_resource_props['original_file_path']}`"

    def get_partitions_def(self, dbt_resource_props: Mapping[str, Any]) -> PartitionsDefinition[str] | None:
        return self._partitions

    def get_asset_check_spec(
        self, asset_spec: AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> AssetCheckSpec | None:
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec and spec._replace(
            description=words_for(manifest["nodes"][unique_id]), partitions_def=self._partitions
        )


def build_partition(
    context: AssetExecutionContext,
    dbt: DbtResource,
    lake: Lake,
    partition: Mapping[str, str],
    variables: Mapping[str, Any] | None = None,
) -> Iterator[Output[None] | AssetCheckResult]:
    """Build and test the models of one partition; a re-run replaces it.

    Args:
        context: of the asset.
        dbt: the resource.
        lake: gives the data directory.
        partition: column -> key, passed to dbt as vars of the same names.
        variables: further vars.

    Raises:
        DagsterDbtCliRuntimeError: a model or a test failed; what was built has been yielded.
        Failure: another process keeps the warehouse open, the disk is full, or another release made the tables.
    """
    data_dir = Path(lake.data_dir).resolve()
    given = {"data_dir": str(data_dir), **partition, **(variables or {})}
    invocation = dbt.cli(
        # Unit tests are about the SQL, not about this run's data: `make test` runs them.
        ["build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(given)],
        context=context,
        target_path=data_dir / "dbt" / "-".join([context.run.run_id[:8], *partition.values()]),
    )
    events, error = _finish(invocation)
    counts = _row_counts(context, events, data_dir / "warehouse.duckdb", partition)
    for event in events:
        if isinstance(event, Output) and event.output_name in counts:
            event = event.with_metadata({**event.metadata, **counts[event.output_name]})  # noqa: PLW2901
        yield event
    if error is not None:
        raise _explained(error, data_dir) from error
    # Compiled SQL and logs matter only when something went wrong.
    shutil.rmtree(invocation.target_path, ignore_errors=True)


def _finish(invocation: DbtCliInvocation) -> tuple[list[Any], DagsterDbtCliRuntimeError | None]:
    """Let dbt end, so that it gives the database free, and keep its events and its error."""
    events: list[Any] = []
    try:
        for event in invocation.stream():
            events.append(event)
    except DagsterDbtCliRuntimeError as error:
        return events, error
    return events, None


def _row_counts(
    context: AssetExecutionContext, events: list[Any], warehouse: Path, partition: Mapping[str, str]
) -> dict[str, dict[str, MetadataValue]]:
    """Rows of every table that was built, in total and in the partition, by output name."""
    tables = {
        event.output_name: context.asset_key_for_output(event.output_name).path[-1]
        for event in events
        if isinstance(event, Output)
    }
    if not tables or not warehouse.exists():
        return {}
    counts: dict[str, dict[str, MetadataValue]] = {}
    condition = " and ".join(f"{column} = ${column}" for column in partition)
    with open_read_only(warehouse) as connection:
        described = connection.execute(
            "select table_name, list(column_name) from information_schema.columns group by table_name"
        ).fetchall()
        columns = dict(described)
        for output, table in tables.items():
            if partition.keys() <= set(columns.get(table, [])):
                query = f'select count(*), count(*) filter (where {condition}) from "{table}"'
                total, part = connection.execute(query, dict(partition)).fetchall()[0]
                counts[output] = {"dagster/partition_row_count": MetadataValue.int(part)}
            else:
                total = connection.execute(f'select count(*) from "{table}"').fetchall()[0][0]
                counts[output] = {}
            counts[output]["dagster/row_count"] = MetadataValue.int(total)
    return counts


def _explained(error: DagsterDbtCliRuntimeError, data_dir: Path) -> Exception:
    """The error itself, or one that says what to do where dbt's message does not."""
    warehouse, said = data_dir / "warehouse.duckdb", {"dbt": MetadataValue.text(str(error))}
    if "Could not set lock on file" in str(error):
        return Failure(
            f"{warehouse} is open in another process and stayed so for a minute: close the program that reads or "
            "writes it (a notebook, a DuckDB shell) and run the partition again. Steps of this project that keep it "
            'open carry pool="duckdb".',
            metadata=said,
        )
    if tells_of_full_disk(str(error)):
        return Failure(full_disk(warehouse), metadata=said)
    if "source and target schemas on this incremental model are out of sync" in str(error):
        return Failure(
            f"{warehouse} has tables of another release, whose columns differ: remove it and materialize the dbt "
            "assets of all partitions, the oldest first, as a backfill does. The lake holds all that they are made of.",
            metadata=said,
        )
    return error
