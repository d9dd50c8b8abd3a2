"""Property check: what objectives beyond clicks bring and cost, for every mechanism that was evaluated."""

import polars as pl
from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetExecutionContext,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.frames import load_ads, load_auctions
from assets.metadata import table_metadata
from assets.study import TABLE
from llm_auction.evaluation.efficiency import CLAIRVOYANT
from resources.lake import Lake, MissingPartition
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

COLUMN_DESCRIPTIONS = {
    "sample_index": "Showing of this query: several answers are drawn for it.",
    "conversions": "Expected conversions: click probability x the chance of a conversion after a click, summed; null "
    "where users are not parametric.",
    "infidelity": "Share of what the text says of an ad that is not the ad's own, mean over the answer's ads.",
    "unfaithful_ads": "Share of the answer's ads of which most of that is not the ad's own.",
    "objective_fidelity": "Reward of the arm fidelity: less its price of what is said of ads and not their own.",
    "objective_conversions": "Reward of the arm conversions: sum of bid x worth x pCTR x pCVR, minus the penalty.",
}


@asset(
    group_name="evaluation",
    deps=[
        "ad_catalog",
        "user_profiles",
        "user_queries",
        "ad_candidates",
        AssetDep("mechanism_outcomes", partition_mapping=AllPartitionMapping()),
    ],
    kinds={"python", "parquet"},
    owners=["team:ads-science"],
    code_version="1",
)
def objective_terms(
    context: AssetExecutionContext, profile: ProfileResource, lake: Lake, user_model: UserModelResource
) -> MaterializeResult:
    """Every answer in `mechanism_outcomes` under each objective that an arm may be trained for.

    Arms such as `conversions` want something else than clicks. The report sets what they gain by it beside their price
    in revenue.
    """
    from llm_auction.evaluation.objective_terms import objective_terms as measure
    from llm_auction.evaluation.quality_summary import quality_figures
    from llm_auction.report.sections.objectives import terms_table

    config = profile.get()
    # The clairvoyant bound is a number without a text.
    partitions = [one for one in lake.partitions(TABLE, "mechanism") if one["mechanism"] != CLAIRVOYANT.mechanism]
    if not partitions:
        raise MissingPartition(f"{TABLE} holds no mechanism yet: materialize {TABLE} first (`llm-auction evaluate`)")
    asked = {one.query.query_id: one for one in load_auctions(lake, "test", config.bidding, config.seed, "test")}
    buyer = None if config.user.is_llm else user_model.buyer(list(load_ads(lake).values()))
    frames = []
    for partition in partitions:
        outcomes = lake.read(TABLE, partition)
        context.log.info(f"objectives of {outcomes.height} answers of {partition['mechanism']}")
        frames.append(measure(outcomes, asked, config, buyer))
    frame = pl.concat(frames)
    lake.write("objective_terms", frame)
    figures = quality_figures(frame, config.evaluation.bootstrap_resamples, config.seed)
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("objective_terms")),
        metadata={
            **table_metadata(frame, COLUMN_DESCRIPTIONS),
            "summary": MetadataValue.md(terms_table({config.seed: figures}).markdown()),
        },
    )
