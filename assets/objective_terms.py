"""Property check: what objectives beyond clicks bring and cost, for every mechanism that was evaluated."""

from collections.abc import Mapping

import polars as pl
from dagster import AllPartitionMapping, AssetDep, AssetExecutionContext, MaterializeResult, MetadataValue

from assets.frames import load_ads, load_auctions
from assets.measured_models import evaluated_run
from assets.mechanism_runs import TABLE
from assets.partitions import ARMS
from assets.property_check import measured, property_check
from llm_auction.evaluation.efficiency import CLAIRVOYANT
from llm_auction.market import Auction
from llm_auction.profiles.arms import is_ablation
from llm_auction.profiles.schema import Profile
from llm_auction.prompts import render_messages
from resources.engines import EngineResource
from resources.lake import Lake, MissingPartition
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

COLUMN_DESCRIPTIONS = {
    "conversions": "Expected conversions: click probability x the chance of a conversion after a click, summed; null "
    "where users are not parametric. Objectives are null where an LLM did not judge the answer.",
    "infidelity": "Share of what the text says of an ad that is not the ad's own, mean over the answer's ads.",
    "unfaithful_ads": "Share of the answer's ads of which most of that is not the ad's own.",
    "words": "Words of the answer, ads by their titles.",
    "repetition": "Share of word triples that stood in the answer before.",
    "drift": "log pi(answer) - log pi_0(answer), nats, at temperature 1, of answers drawn as they are served: not the "
    "KL itself. Of trained models at their last iteration; null for others.",
    "objective_quality_guard": "Reward of the arm quality_guard: less its price of length and repetition.",
    "objective_kl_budget": "Reward of the arm kl_budget, which is that of the profile.",
    "objective_fidelity": "Reward of the arm fidelity: less its price of what is said of ads and not their own.",
    "objective_conversions": "Reward of the arm conversions: sum of bid x worth x pCTR x pCVR, minus the penalty.",
}


@property_check(
    deps=(
        "ad_catalog",
        "user_profiles",
        "user_queries",
        "ad_candidates",
        "pretrained_ad_llm",
        AssetDep("ad_llm", partition_mapping=AllPartitionMapping()),
        AssetDep("mechanism_outcomes", partition_mapping=AllPartitionMapping()),
    ),
    code_version="3",
)
def objective_terms(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """Every answer in `mechanism_outcomes` under each objective that an arm may be trained for.

    Arms such as `conversions` want something else than clicks. The report sets what they gain by it beside their price
    in revenue. How far a model has drifted from the pretrained one is measured by both models on its answers; not for
    ablations, where nobody asks.
    """
    from llm_auction.evaluation.objective_terms import objective_terms as measure
    from llm_auction.evaluation.quality_summary import quality_figures
    from llm_auction.report.sections.objectives import terms_table

    config = profile.get()
    evaluated = evaluated_run(lake, model_store)
    for name, why in evaluated.left_out.items():
        context.log.warning(f"{TABLE}[{name}] is left out: {why}")
    # The clairvoyant bound is a number without a text.
    partitions = [{"mechanism": name} for name in sorted(evaluated.mechanisms) if name != CLAIRVOYANT.mechanism]
    if not partitions:
        raise MissingPartition(f"{TABLE} holds no mechanism yet: materialize {TABLE} first (`llm-auction evaluate`)")
    asked = {one.query.query_id: one for one in load_auctions(lake, "test", config.bidding, config.seed, "test")}
    buyer = None if config.user.is_llm else user_model.buyer(list(load_ads(lake).values()))
    frames = []
    for partition in partitions:
        outcomes = lake.read(TABLE, partition)
        context.log.info(f"objectives of {outcomes.height} answers of {partition['mechanism']}")
        terms = measure(outcomes, asked, config, buyer)
        if partition["mechanism"] in ARMS and not is_ablation(partition["mechanism"]):
            terms = _with_drift_of_the_last(terms, outcomes, asked, config, model_store, engine)
        frames.append(terms)
    frame = pl.concat(frames)
    figures = quality_figures(frame, config.evaluation.bootstrap_resamples, config.seed)
    shown = {"summary": MetadataValue.md(terms_table(figures).markdown())}
    return measured(lake, "objective_terms", frame, COLUMN_DESCRIPTIONS, shown, config, evaluated.models)


def _with_drift_of_the_last(
    terms: pl.DataFrame,
    outcomes: pl.DataFrame,
    asked: Mapping[str, Auction],
    config: Profile,
    model_store: ModelStore,
    engine: EngineResource,
) -> pl.DataFrame:
    """The terms of an arm, its last iteration's with the drift from the pretrained model."""
    from llm_auction.evaluation.objective_terms import auction_of, with_drift

    arm, last = str(outcomes["mechanism"][0]), str(outcomes["iteration"].max())
    newest = terms["iteration"] == last
    prompted = config.of_arm(arm).ad_llm
    rows = list(outcomes.filter(newest).iter_rows(named=True))
    prompts = [render_messages(auction_of(row, asked), prompted.prompt, show_bids=prompted.show_bids) for row in rows]
    # Where the token limit cut an answer, neither model was asked for its end.
    endings = [row["tokens"] < config.sampling.max_new_tokens for row in rows]
    scores = []
    for pointer in (f"{arm}/{last}", "base"):
        scorer = engine.scorer(model_store.resolve("ad_llm", pointer).path)
        tokens = [[scorer.tokens_of(row["answer"], finished=end)] for row, end in zip(rows, endings, strict=True)]
        scores.append([value for (value,) in scorer.log_probabilities(prompts, tokens)])
    return pl.concat([terms.filter(~newest), with_drift(terms.filter(newest), *scores)])
