"""The guards of the feedback: blocking checks of one arm and iteration.

A failed one stops the reward model and all that follows in the run; the gate of the next iteration then refuses to
train on anything old. What is expected stands in `assets/suites`, how it is judged in `assets/expectations.py`.
"""

import warnings
from collections.abc import Callable, Mapping

import polars as pl
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    Failure,
    PreviewWarning,
    asset_check,
)

from assets.expectations import check_result, load_suite, schema_verdicts, verdicts
from assets.feedback_figures import click_figures, impression_figures, modelled_response_figures, response_figures
from assets.partitions import irpo_partitions, partition_of
from llm_auction.profiles.schema import Profile
from resources.lake import Lake
from resources.profile import ProfileResource
from resources.warehouse import Warehouse

NAME = "great_expectations"

with warnings.catch_warnings():
    # Dagster calls the partitions of checks a preview. They make the UI show a check's history by partition; the
    # checks themselves take their partition from the run.
    warnings.simplefilter("ignore", PreviewWarning)

    @asset_check(
        asset="ad_responses",
        name=NAME,
        blocking=True,
        partitions_def=irpo_partitions,
        description="Schema, keys, ranges, auctions and insertions, format-error rate and volume of the answers.",
    )
    def ad_responses_expectations(
        context: AssetCheckExecutionContext, lake: Lake, profile: ProfileResource
    ) -> AssetCheckResult:
        partition = _partition(context)
        config = profile.get().of_arm(partition["arm"])
        responses = lake.read("ad_responses", partition)
        return _judge(
            "ad_responses",
            responses,
            lambda: response_figures(responses, *_expected(lake, config, responses), lake.read("ad_catalog")),
            config,
            partition,
        )

    @asset_check(
        asset="click_feedback",
        name=NAME,
        blocking=True,
        partitions_def=irpo_partitions,
        additional_deps=["ad_responses"],
        description="Schema, keys, ranges, references to answers and ads, no click on an ad not inserted, CTR.",
    )
    def click_feedback_expectations(
        context: AssetCheckExecutionContext, lake: Lake, profile: ProfileResource
    ) -> AssetCheckResult:
        partition = _partition(context)
        clicks, responses = lake.read("click_feedback", partition), lake.read("ad_responses", partition)
        return _judge(
            "click_feedback",
            clicks,
            lambda: click_figures(clicks, responses, lake.read("ad_catalog")),
            profile.get(),
            partition,
        )

    # The other tables that a check of a modelled table reads are written by the same step. Naming them as dependencies
    # would make the two blocking checks wait for each other.
    @asset_check(
        asset="fct_ad_impressions",
        name=NAME,
        blocking=True,
        partitions_def=irpo_partitions,
        pool="duckdb",
        description="Schema, keys, ranges and CTR of the impressions; nothing of the lake lost, nothing invented.",
    )
    def fct_ad_impressions_expectations(
        context: AssetCheckExecutionContext, lake: Lake, warehouse: Warehouse, profile: ProfileResource
    ) -> AssetCheckResult:
        partition = _partition(context)
        impressions = _modelled(warehouse, "fct_ad_impressions", partition)
        return _judge(
            "fct_ad_impressions",
            impressions,
            lambda: impression_figures(
                impressions,
                _modelled(warehouse, "fct_responses", partition, "response_id"),
                _modelled(warehouse, "rejected_feedback_events", partition),
                lake.read("ad_responses", partition),
                lake.read("click_feedback", partition),
            ),
            profile.get(),
            partition,
        )

    @asset_check(
        asset="fct_responses",
        name=NAME,
        blocking=True,
        partitions_def=irpo_partitions,
        pool="duckdb",
        description="Schema, keys, ranges, volume, format-error rate and revenue of the modelled answers.",
    )
    def fct_responses_expectations(
        context: AssetCheckExecutionContext, lake: Lake, warehouse: Warehouse, profile: ProfileResource
    ) -> AssetCheckResult:
        partition = _partition(context)
        config = profile.get().of_arm(partition["arm"])
        responses = lake.read("ad_responses", partition)
        modelled = _modelled(warehouse, "fct_responses", partition)
        return _judge(
            "fct_responses",
            modelled,
            lambda: modelled_response_figures(
                modelled,
                _modelled(warehouse, "fct_ad_impressions", partition, "response_id, revenue"),
                _modelled(warehouse, "rejected_feedback_events", partition),
                responses,
                _expected(lake, config, responses)[1],
            ),
            config,
            partition,
        )


FEEDBACK_CHECKS: list[AssetChecksDefinition] = [
    ad_responses_expectations,
    click_feedback_expectations,
    fct_ad_impressions_expectations,
    fct_responses_expectations,
]


def _judge(
    table: str,
    frame: pl.DataFrame,
    figures_of: Callable[[], Mapping[str, float]],
    config: Profile,
    partition: Mapping[str, str],
) -> AssetCheckResult:
    """Judge the schema first: where it is wrong, rows and figures can't be looked at."""
    suite = load_suite(table)
    shape = schema_verdicts(suite, frame)
    figures: Mapping[str, float] = {}
    judged = shape
    if all(verdict.passed for verdict in shape):
        figures = figures_of()
        judged = [*shape, *verdicts(suite, frame, figures, _parameters(config, partition))]
    return check_result(suite, judged, figures, "|".join(partition.values()))


def _parameters(config: Profile, partition: Mapping[str, str]) -> dict[str, object]:
    bounds = config.feedback
    return {
        "arms": [partition["arm"]],
        "iterations": [partition["iteration"]],
        "min_ctr": bounds.min_ctr,
        "max_ctr": bounds.max_ctr,
        # The parametric user judges every ad; an LLM may fail on a few.
        "min_judged_share": 1.0 - config.user.max_missing_share if config.user.is_llm else 1.0,
        "max_format_error_rate": bounds.max_format_error_rate,
        "min_volume_share": bounds.min_volume_share,
    }


def _partition(context: AssetCheckExecutionContext) -> dict[str, str]:
    if not context.has_partition_key:
        raise Failure(
            "this check looks at one arm and iteration: launch it with its asset, or materialize the partition anew",
            allow_retries=False,
        )
    return partition_of(context.partition_key)


def _modelled(warehouse: Warehouse, table: str, partition: Mapping[str, str], columns: str = "*") -> pl.DataFrame:
    query = f"select {columns} from {table} where arm = ? and iteration = ?"
    return warehouse.query(query, [partition["arm"], partition["iteration"]])


def _expected(lake: Lake, config: Profile, responses: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The questions that may be answered (query_id), and how many answers there should be; a log has what it has."""
    if config.feedback.source == "click_log":
        return responses.select("query_id").unique(), responses.height
    training = lake.read("user_queries").filter(pl.col("split") == "train").select("query_id")
    training = training[: config.population.train_queries]
    return training, training.height * config.feedback.answers_per_query
