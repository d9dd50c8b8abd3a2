"""Property check: what a reserve price does to revenue, payments and welfare."""

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.bench import Bench
from assets.measured_models import models_behind
from assets.mechanism_runs import outcomes_of
from assets.metadata import plot_metadata
from assets.properties import MODELS_OF_CHECKS
from assets.property_check import measured, property_check
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

# One mechanism for every payment rule: first price, critical prices, Rochet payments.
COMPARED = ("llm_auction", "rag_auction", "mosaic")
COLUMN_DESCRIPTIONS = {
    "reserve": "Least price a click; ads that bid less are no candidates. 0: none.",
    "change": "Paired difference to no reserve over the same queries.",
    "change_low": "Lower end of its 95 % interval.",
    "change_high": "Upper end.",
    "n": "Test queries.",
}


@property_check(code_version="3")
def reserve_prices(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """Revenue, payments, welfare and utility of each payment rule under every `evaluation.reserve_prices`, and none.

    `properties.reserve_queries` test queries are answered anew at each price, under the same draws: an evaluation of
    three mechanisms a price.
    """
    from llm_auction.evaluation.reserve_effects import reserve_effects
    from llm_auction.report.sections.reserve_prices import reserve_chart, reserve_markdown

    config = profile.get()
    models = models_behind(model_store, MODELS_OF_CHECKS)
    bench = Bench.of(config, lake, user_model, context.log.info).first(config.properties.reserve_queries)
    outcomes = {}
    with engine.answers_kept():
        for reserve in sorted({0.0, *config.evaluation.reserve_prices}):
            context.log.info(f"reserve price {reserve:g}")
            priced = bench.with_reserve(reserve)
            outcomes[reserve] = pl.concat([outcomes_of(name, priced, model_store, engine) for name in COMPARED])
        engine.close()
        user_model.close()
        frame = reserve_effects(outcomes, config.evaluation.bootstrap_resamples, config.seed)
        shown = {
            "summary": MetadataValue.md(reserve_markdown(frame)),
            "curves": plot_metadata(reserve_chart(frame)),
        }
        return measured(lake, "reserve_prices", frame, COLUMN_DESCRIPTIONS, shown, config, models)
