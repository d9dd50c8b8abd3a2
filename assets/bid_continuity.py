"""Property check: itctr over the bid in small steps, beside a slot auction's step (Theorem 4.3)."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.bench import Bench
from assets.bid_sampling import CURVE_COLUMNS, ad_llms, sampled_curves
from assets.measured_models import models_behind
from assets.metadata import plot_metadata
from assets.properties import MODELS_OF_CHECKS
from assets.property_check import measured, property_check
from assets.unjudged import unjudged_of
from llm_auction.evaluation.bid_curves import computed_points
from llm_auction.evaluation.continuity import (
    MANY_QUERIES,
    ONE_QUERY,
    SLOT_AUCTION,
    SlotProbe,
    central_probe,
    continuity_figures,
    ladder,
    slot_probe,
)
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

COLUMN_DESCRIPTIONS = {
    **CURVE_COLUMNS,
    "scope": "one_query: the close look at one query. many_queries: the same over many, with fewer answers a bid.",
}


@property_check(code_version="5")
def bid_continuity(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """Clicks on one ad (itctr) while its bid climbs step by step, beside a slot auction on the same axes.

    One query with many answers a bid, and the same over many queries with fewer; for the pretrained model and the
    newest iteration. Query and ad are chosen by a rule that looks at no model: where the slot auction's step lies
    nearest to the middle. Bids below `evaluation.reserve_price` get no clicks from either. Clicks that an LLM did not
    judge are left out; too many (`user.max_missing_share`) are an error.
    """
    from llm_auction.report.sections.continuity import continuity_chart, continuity_table

    config = profile.get()
    models = models_behind(model_store, MODELS_OF_CHECKS)
    bench = Bench.of(config, lake, user_model, context.log.info)
    bids, reserve = ladder(config.properties.continuity_step), config.evaluation.reserve_price
    auctions = bench.auctions[: config.properties.continuity_queries]
    many = [slot_probe(auction, bench.user, bids, config.bidding, reserve) for auction in auctions]
    one = [central_probe(many)]
    scopes = {
        ONE_QUERY: (one, config.properties.continuity_answers),
        MANY_QUERIES: (many, config.properties.continuity_query_answers),
    }
    with engine.answers_kept():
        frame = pl.concat(_points(scopes, bench, model_store, engine))
        engine.close()
        user_model.close()
        unjudged = unjudged_of(config, bench.user)
        resamples = config.evaluation.bootstrap_resamples
        figures = continuity_figures(frame, resamples, config.seed)
        shown = {
            **unjudged,
            "query": one[0].auction.query.text,
            "ad": next(ad.title for ad in one[0].auction.candidates if ad.ad_id == one[0].ad_id),
            "slot_threshold": f"{one[0].threshold:.1f}",
            "summary": MetadataValue.md(continuity_table(figures).markdown()),
            "curve": plot_metadata(continuity_chart(frame, resamples, config.seed)),
        }
        return measured(lake, "bid_continuity", frame, COLUMN_DESCRIPTIONS, shown, config, models)


def _points(
    scopes: Mapping[str, tuple[Sequence[SlotProbe], int]],
    bench: Bench,
    model_store: ModelStore,
    engine: EngineResource,
) -> Iterator[pl.DataFrame]:
    for contender, mechanism in ad_llms(bench, model_store, engine, newest_only=True):
        for scope, (probes, answers) in scopes.items():
            for points in sampled_curves(contender, mechanism, bench, probes, answers):
                yield points.with_columns(scope=pl.lit(scope))
    for scope, (probes, _) in scopes.items():
        for probe in probes:
            names = (probe.auction.query.query_id, probe.ad_id)
            points = computed_points(SLOT_AUCTION, *names, probe.bids, probe.slot_itctr, 0)
            yield points.with_columns(scope=pl.lit(scope))
