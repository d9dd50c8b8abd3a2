"""Property check: clicks over the bid of one ad, for the pretrained model and every iteration (Theorem 4.2)."""

from itertools import chain

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.bench import Bench
from assets.bid_baselines import mosaic_curves, rag_curves
from assets.bid_sampling import CURVE_COLUMNS, ad_llms, sampled_curves
from assets.measured_models import models_behind
from assets.metadata import plot_metadata
from assets.properties import MODELS_OF_CHECKS
from assets.property_check import measured, property_check
from assets.unjudged import unjudged_of
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource


@property_check(code_version="6")
def bid_monotonicity(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """Clicks on one random ad of each test query while its bid climbs its range, before and after each iteration.

    Expected: no clear trend before training, monotone after it. MOSAIC and RAG-Auction stand beside it, computed from
    answers that depend on no bid. A bid below `evaluation.reserve_price` gets no clicks. Only the first
    `properties.bid_queries` queries are asked: it takes many times the answers of an evaluation. Clicks that an LLM did
    not judge are left out; too many (`user.max_missing_share`) are an error.
    """
    from llm_auction.evaluation.bid_curves import at_common_bids
    from llm_auction.evaluation.monotonicity import bid_responses, random_probe
    from llm_auction.report.bid_plot import bid_chart
    from llm_auction.report.sections.monotonicity import monotonicity_table

    config = profile.get()
    models = models_behind(model_store, MODELS_OF_CHECKS)
    bench = Bench.of(config, lake, user_model, context.log.info).first(config.properties.bid_queries)
    reserve = config.evaluation.reserve_price
    probes = [random_probe(auction, config.bidding, config.seed, reserve) for auction in bench.auctions]
    sampled = (
        points
        for contender, mechanism in ad_llms(bench, model_store, engine)
        for points in sampled_curves(contender, mechanism, bench, probes, config.properties.bid_answers)
    )
    computed = (curves(bench, probes, model_store, engine) for curves in (rag_curves, mosaic_curves))
    with engine.answers_kept():
        frame = pl.concat([*sampled, *chain.from_iterable(computed)])
        engine.close()
        user_model.close()
        unjudged = unjudged_of(config, bench.user)
        resampling = (config.evaluation.bootstrap_resamples, config.seed)
        responses = bid_responses(frame, *resampling)
        plotted = at_common_bids(frame).with_columns(seed=pl.lit(config.seed))
        shown = {
            **unjudged,
            "summary": MetadataValue.md(monotonicity_table(responses).markdown()),
            "curves": plot_metadata(bid_chart(plotted, *resampling)),
        }
        return measured(lake, "bid_monotonicity", frame, CURVE_COLUMNS, shown, config, models)
