"""The guards of real logs: blocking checks of one day.

A failed one stops the models, the refit and the promotion of that day. What is expected stands in `assets/suites`, the
bounds in the profile's `click_log_guards`, with the days that none of them refuses.
"""

import warnings
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import polars as pl
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    Failure,
    PreviewWarning,
    asset_check,
)

from assets.click_log_figures import (
    click_log_impression_figures,
    click_log_response_figures,
    day_figures,
    delivery_figures,
)
from assets.days import day_partitions
from assets.expectations import check_result, load_suite, schema_verdicts, verdicts
from llm_auction.profiles.schema import ClickLogGuardsConfig, Profile
from resources.click_log import scratch_database
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse

NAME = "great_expectations"
Figures = Callable[[Warehouse, str, ClickLogGuardsConfig], dict[str, float]]

with warnings.catch_warnings():
    # Dagster calls the partitions of checks a preview, see assets/feedback_checks.py.
    warnings.simplefilter("ignore", PreviewWarning)

    @asset_check(
        asset="click_log",
        name=NAME,
        blocking=True,
        partitions_def=day_partitions,
        description="Schema, volume against the trailing days, rejected and repeated events, unseen ads and policies.",
    )
    def click_log_expectations(
        context: AssetCheckExecutionContext, lake: Lake, profile: ProfileResource, model_store: ModelStore
    ) -> AssetCheckResult:
        day, config = _day(context), profile.get()
        file = lake.file("click_log_answers", {"day": day})
        answers = pl.read_parquet(file, n_rows=0, glob=False, hive_partitioning=False)
        spill = Path(config.click_log.spill_dir) if config.click_log.spill_dir else Path(lake.data_dir) / "spill"
        with scratch_database(spill, config.click_log.memory_limit) as connection:
            return _judge(
                "click_log",
                answers,
                lambda: delivery_figures(
                    connection, lake, day, config.click_log_guards, model_store.versions("ad_llm")
                ),
                config,
                day,
            )

    def _modelled_check(table: str, figures_of: Figures, description: str) -> AssetChecksDefinition:
        @asset_check(
            asset=table,
            name=NAME,
            blocking=True,
            partitions_def=day_partitions,
            pool="duckdb",
            description=description,
        )
        def expectations(
            context: AssetCheckExecutionContext, warehouse: Warehouse, profile: ProfileResource
        ) -> AssetCheckResult:
            day, config = _day(context), profile.get()
            columns = warehouse.query(f"select * from {table} limit 0")
            return _judge(table, columns, lambda: figures_of(warehouse, day, config.click_log_guards), config, day)

        return expectations

    CLICK_LOG_CHECKS: list[AssetChecksDefinition] = [
        click_log_expectations,
        _modelled_check(
            "fct_click_log_impressions",
            click_log_impression_figures,
            "Schema, keys, revenue, clock skew, exclusions, and CTR against the trailing days.",
        ),
        _modelled_check(
            "fct_click_log_responses",
            click_log_response_figures,
            "Schema, keys, revenue, volume and format errors against the trailing days.",
        ),
        _modelled_check(
            "agg_click_log_days",
            day_figures,
            "Events are conserved; the share of rejected ones, those that fit no answer included.",
        ),
    ]


def _judge(
    table: str, columns: pl.DataFrame, figures_of: Callable[[], Mapping[str, float]], config: Profile, day: str
) -> AssetCheckResult:
    """Judge the schema first: where it is wrong, figures can't be computed."""
    suite = load_suite(table)
    shape = schema_verdicts(suite, columns)
    figures: Mapping[str, float] = {}
    judged = shape
    if all(verdict.passed for verdict in shape):
        figures = figures_of()
        judged = [*shape, *verdicts(suite, columns, figures, _parameters(config))]
    accepted = date.fromisoformat(day) in config.click_log_guards.accepted_days
    return check_result(suite, judged, figures, day, "click_log_guards.accepted_days" if accepted else None)


def _parameters(config: Profile) -> dict[str, float]:
    guards = config.click_log_guards
    return {
        **{name: value for name, value in guards.model_dump().items() if name.startswith(("min_", "max_"))},
        "min_ctr_ratio": 1.0 / guards.max_ctr_ratio,
        "max_rejected_share": config.click_log.max_rejected_share,
    }


def _day(context: AssetCheckExecutionContext) -> str:
    if not context.has_partition_key:
        raise Failure(
            "this check looks at one day: launch it with its asset, or materialize the partition anew",
            allow_retries=False,
        )
    return context.partition_key
