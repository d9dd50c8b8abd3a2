"""Modelled click logs: the dbt models of one day as Dagster assets, their data tests as blocking checks.

`click_log` -> staging -> answers, sessions, clicks, conversions, users -> `fct_click_log_impressions`,
`fct_click_log_responses`, `agg_click_log_days`, and `rejected_click_log_events`. A day of answers is built from all
deliveries that are in the lake: run it again, and late clicks and conversions count.
"""

from collections.abc import Iterator
from datetime import date

from dagster import AssetCheckResult, AssetExecutionContext, Output
from dagster_dbt import dbt_assets

from assets.days import day_partitions
from assets.dbt_runs import LakeTranslator, build_partition
from assets.known_ads import ensure_known_ads
from resources.click_log import TABLES, deliveries_to_model, remember_modelled
from resources.dbt import DbtResource
from resources.dbt_project import dbt_manifest
from resources.lake import Lake
from resources.profile import ProfileResource

# The settings that shape the models, see `vars` in dbt_project.yml.
SETTINGS = {
    "lateness_days",
    "clock_skew_seconds",
    "attribution_hours",
    "conversion_days",
    "session_gap_minutes",
    "max_answers_per_user_hour",
    "max_clicks_per_user_hour",
    "min_click_seconds",
}

# Which asset writes which source of the models.
SOURCES = {**dict.fromkeys(TABLES, "click_log"), "known_ads": "ad_catalog"}


@dbt_assets(
    manifest=dbt_manifest(),
    select="tag:production",
    name="click_log_models",
    # Partitions come of the translator: told of them here, dagster-dbt would give all days of a backfill to one run.
    dagster_dbt_translator=LakeTranslator(SOURCES, day_partitions),
    pool="duckdb",
)
def click_log_models(
    context: AssetExecutionContext, dbt: DbtResource, lake: Lake, profile: ProfileResource
) -> Iterator[Output[None] | AssetCheckResult]:
    """Build and test the models of the run's day only; a re-run replaces it."""
    day, config = {"day": context.partition_key}, profile.get().click_log
    ensure_known_ads(lake)
    lake.data_version("click_log_files", day)
    variables = {
        "click_log": config.model_dump(mode="json", include=SETTINGS),
        "memory_limit": config.memory_limit,
        "spill_dir": config.spill_dir,
    }
    # As they are before the models read them: of what comes in meanwhile nobody knows whether they have seen it.
    deliveries = deliveries_to_model(lake, date.fromisoformat(context.partition_key), config)
    yield from build_partition(context, dbt, lake, day, variables)
    if set(context.selected_asset_keys) >= set(click_log_models.keys):
        remember_modelled(lake, date.fromisoformat(context.partition_key), deliveries)
