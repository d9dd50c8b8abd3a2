"""Modelled feedback: the dbt models of one arm and iteration as Dagster assets, their data tests as blocking checks.

`ad_responses`, `click_feedback` and `conversion_feedback` -> staging -> judged events -> inserted ads ->
`fct_ad_impressions`, `fct_ad_conversions`, `fct_responses`, the aggregates, and `rejected_feedback_events`, which keeps
what could not be used, with the reason.
"""

from collections.abc import Iterator

from dagster import AssetCheckResult, AssetExecutionContext, Output
from dagster_dbt import dbt_assets

from assets.dbt_runs import LakeTranslator, build_partition
from assets.partitions import irpo_partitions, partition_of
from resources.dbt import DbtResource
from resources.dbt_project import dbt_manifest
from resources.lake import Lake
from resources.profile import ProfileResource

SOURCES_OF_THE_MARKET = ("ad_catalog", "user_queries")
SOURCES_OF_THE_PARTITION = ("ad_responses", "click_feedback", "conversion_feedback")


@dbt_assets(
    manifest=dbt_manifest(),
    select="tag:irpo",
    name="feedback_models",
    partitions_def=irpo_partitions,
    dagster_dbt_translator=LakeTranslator(partitions=irpo_partitions),
    pool="duckdb",
)
def feedback_models(
    context: AssetExecutionContext, dbt: DbtResource, lake: Lake, profile: ProfileResource
) -> Iterator[Output[None] | AssetCheckResult]:
    """Build and test the models for the run's partition only; a re-run replaces it."""
    partition = partition_of(context.partition_key)
    for table in SOURCES_OF_THE_MARKET:
        lake.data_version(table)
    for table in SOURCES_OF_THE_PARTITION:
        lake.data_version(table, partition)
    rules = {"conversion_hours": profile.get().of_arm(partition["arm"]).feedback.conversion_hours}
    yield from build_partition(context, dbt, lake, partition, rules)
