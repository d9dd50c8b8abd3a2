"""Modelled feedback: the dbt models of one arm and iteration as Dagster assets, their data tests as blocking checks.

`ad_responses` and `click_feedback` -> staging -> judged events -> inserted ads -> `fct_ad_impressions`,
`fct_responses`, the aggregates, and `rejected_feedback_events`, which keeps what could not be used, with the reason.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import AssetCheckResult, AssetExecutionContext, AssetKey, Failure, MetadataValue, Output
from dagster_dbt import DagsterDbtCliRuntimeError, DagsterDbtTranslator, DbtCliInvocation, dbt_assets

from assets.partitions import irpo_partitions, partition_of
from resources.dbt import DbtResource, dbt_manifest
from resources.duckdb_reader import open_read_only
from resources.lake import Lake

SOURCES_OF_THE_MARKET = ("ad_catalog", "user_queries")
SOURCES_OF_THE_PARTITION = ("ad_responses", "click_feedback")


class FeedbackTranslator(DagsterDbtTranslator):
    """A dbt source is the asset of the same name that writes it; groups and owners stand in `dbt_project.yml`."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        return AssetKey(dbt_resource_props["name"])


@dbt_assets(
    manifest=dbt_manifest(),
    select="tag:irpo",
    name="feedback_models",
    partitions_def=irpo_partitions,
    dagster_dbt_translator=FeedbackTranslator(),
    pool="duckdb",
)
def feedback_models(
    context: AssetExecutionContext, dbt: DbtResource, lake: Lake
) -> Iterator[Output[None] | AssetCheckResult]:
    """Build and test the models for the run's partition only; a re-run replaces it."""
    partition = partition_of(context.partition_key)
    for table in SOURCES_OF_THE_MARKET:
        lake.data_version(table)
    for table in SOURCES_OF_THE_PARTITION:
        lake.data_version(table, partition)

    data_dir = Path(lake.data_dir).resolve()
    variables = {"data_dir": str(data_dir), **partition}
    invocation = dbt.cli(
        # Unit tests are about the SQL, not about this run's data: `make test` runs them.
        ["build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables)],
        context=context,
        target_path=data_dir / "dbt" / f"{context.run.run_id[:8]}-{partition['arm']}-{partition['iteration']}",
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
    with open_read_only(warehouse) as connection:
        described = connection.execute(
            "select table_name, bool_or(column_name = 'iteration') from information_schema.columns group by table_name"
        ).fetchall()
        partitioned = dict(described)
        for output, table in tables.items():
            condition = "arm = $arm and iteration = $iteration" if partitioned.get(table) else "true"
            query = f'select count(*), count(*) filter (where {condition}) from "{table}"'
            total, part = connection.execute(query, dict(partition) if partitioned.get(table) else None).fetchall()[0]
            counts[output] = {"dagster/row_count": MetadataValue.int(total)}
            if partitioned.get(table):
                counts[output]["dagster/partition_row_count"] = MetadataValue.int(part)
    return counts


def _explained(error: DagsterDbtCliRuntimeError, data_dir: Path) -> Exception:
    """The error itself, or one that says what to do where dbt's message does not."""
    if "Could not set lock on file" in str(error):
        return Failure(
            f"{data_dir / 'warehouse.duckdb'} is open in another process and stayed so for a minute: close the program "
            "that reads or writes it (a notebook, a DuckDB shell) and run the partition again. Steps of this project "
            'that keep it open carry pool="duckdb".',
            metadata={"dbt": MetadataValue.text(str(error))},
        )
    return error
