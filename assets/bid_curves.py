"""Property check: clicks over the bid of one ad, for the pretrained model and every iteration (Theorem 4.2)."""

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

from assets.bench import Bench
from assets.bid_sampling import CURVE_COLUMNS, ad_llms, sampled_curves
from assets.metadata import plot_metadata, table_metadata
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource


@asset(
    group_name="evaluation",
    deps=[
        "ad_candidates",
        "pretrained_ad_llm",
        # Every iteration of the arm is measured.
        AssetDep("ad_llm", partition_mapping=AllPartitionMapping()),
    ],
    kinds={"python", "pytorch", "parquet"},
    owners=["team:ads-science"],
    code_version="2",
    pool="gpu",
)
def bid_monotonicity(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """Clicks on one random ad of every test query while its bid climbs from 1 to 100, before and after each iteration.

    Expected: no clear trend before training, monotone after it. Not part of the main run: it takes many times the
    answers of an evaluation.
    """
    from llm_auction.evaluation.monotonicity import LADDER, bid_responses, probed_ad
    from llm_auction.report.bid_plot import bid_chart

    config = profile.get()
    bench = Bench.of(config, lake, user_model, context.log.info)
    probes = [(auction, probed_ad(auction, config.seed)) for auction in bench.auctions]
    frame = pl.concat(
        points
        for contender, mechanism in ad_llms(bench, model_store, engine)
        for points in sampled_curves(contender, mechanism, bench, probes, LADDER, config.properties.bid_answers)
    )
    lake.write("bid_monotonicity", frame)
    lines = [
        "| | Spearman, pooled | Spearman a query (95 % CI) | falling steps (95 % CI) | beyond noise | that respond |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for contender, found in bid_responses(frame, config.evaluation.bootstrap_resamples, config.seed).items():
        own, falls = found.query_spearman, found.violation_share
        lines.append(
            f"| {contender.label} | {_text(found.pooled_spearman)} | "
            f"{_text(own.value)} ({_text(own.low)} to {_text(own.high)}) | "
            f"{_text(falls.value)} ({_text(falls.low)} to {_text(falls.high)}) | {_text(found.confirmed_share)} | "
            f"{found.n_responsive} of {found.n} |"
        )
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("bid_monotonicity")),
        metadata={
            **table_metadata(frame, CURVE_COLUMNS),
            "summary": MetadataValue.md("\n".join(lines)),
            "curves": plot_metadata(bid_chart(frame)),
        },
    )


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
