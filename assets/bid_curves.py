"""Property check: clicks over the bid of one ad, for the pretrained model and every iteration (Theorem 4.2)."""

from collections.abc import Iterator

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

from assets.bench import Bench, evaluated_iterations, one_answer_mechanism
from assets.metadata import plot_metadata, table_metadata
from llm_auction.evaluation.outcomes import Contender
from llm_auction.seeds import derive_seed
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

ARM = "llm_auction"
COLUMN_DESCRIPTIONS = {
    "ad_id": "The candidate whose bid is moved, drawn at random for the query.",
    "bid": "Its bid at this step; all other bids stay.",
    "shown": "Answers that insert it.",
    "clicks": "Sampled clicks on it.",
    "itctr": "Mean probability that it is shown and clicked (Eq. 1), with the user model's own click probabilities.",
}


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
    code_version="1",
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

    Expected: no clear trend before training, monotone after it. Not part of the main run: it takes eleven times the
    answers of an evaluation.
    """
    from llm_auction.evaluation.monotonicity import bid_responses
    from llm_auction.report.bid_plot import bid_chart

    config = profile.get()
    bench = Bench.of(config, lake, user_model, context.log.info)
    frame = pl.concat(list(_curves(bench, model_store, engine)))
    lake.write("bid_monotonicity", frame)
    resamples = config.evaluation.bootstrap_resamples
    lines = [
        "| | Spearman, pooled | Spearman a query (95 % CI) | falling steps (95 % CI) | queries that respond |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for contender, found in bid_responses(frame, resamples, config.seed).items():
        own, falls = found.query_spearman, found.violation_share
        lines.append(
            f"| {contender.label} | {_text(found.pooled_spearman)} | "
            f"{_text(own.value)} ({_text(own.low)} to {_text(own.high)}) | "
            f"{_text(falls.value)} ({_text(falls.low)} to {_text(falls.high)}) | {found.n_responsive} of {found.n} |"
        )
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("bid_monotonicity")),
        metadata={
            **table_metadata(frame, COLUMN_DESCRIPTIONS),
            "summary": MetadataValue.md("\n".join(lines)),
            "curves": plot_metadata(bid_chart(frame)),
        },
    )


def _curves(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    """The curves of the pretrained model and of every iteration, one step of the ladder after another.

    Each step draws with the same random numbers, so that what changes along a curve is the bid alone.
    """
    from llm_auction.evaluation.monotonicity import LADDER, curve_points, probed_ad, with_bid

    seed, samples = bench.profile.seed, bench.profile.evaluation.answers_per_query
    ad_ids = [probed_ad(auction, seed) for auction in bench.auctions]
    iterations = evaluated_iterations(model_store, "ad_llm", ARM)
    models = {Contender("pretrained"): "base", **{Contender(ARM, one): f"{ARM}/{one}" for one in iterations}}
    for contender, pointer in models.items():
        mechanism = one_answer_mechanism(bench, engine.open(model_store.resolve("ad_llm", pointer).path))
        for bid in LADDER:
            bench.log(f"{contender.label}: bid {bid}")
            probes = [with_bid(auction, ad_id, bid) for auction, ad_id in zip(bench.auctions, ad_ids, strict=True)]
            outcomes = mechanism.repeat(probes, samples, derive_seed(seed, "bid-curve"))
            answers = [[one.answer for one in of_auction] for of_auction in outcomes]
            yield curve_points(contender, probes, ad_ids, answers, bench.user, seed)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
