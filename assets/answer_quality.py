"""Property check: how well the answers read, from their text, for every mechanism that was evaluated."""

from typing import TYPE_CHECKING

import polars as pl
from dagster import AllPartitionMapping, AssetDep, AssetExecutionContext, MaterializeResult, MetadataValue

from assets.frames import load_ads, load_auctions
from assets.measured_models import evaluated_run
from assets.mechanism_runs import TABLE
from assets.pools import pool_of_encoder, pool_of_judge, require_pool
from assets.property_check import measured, property_check
from llm_auction.evaluation.efficiency import CLAIRVOYANT
from llm_auction.profiles.schema import Profile
from resources.gpu import release_gpu_memory
from resources.lake import Lake, MissingPartition
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

if TYPE_CHECKING:
    from llm_auction.serving.structured import StructuredModel

COLUMN_DESCRIPTIONS = {
    "injection": "1 when the answer carries an ad.",
    "local_flow": "Mean cosine of neighbouring sentences.",
    "global_coherence": "Mean cosine of the sentences to their mean.",
    "ad_transition": "Mean cosine of an ad's sentence to its neighbours.",
    "ad_alignment": "Mean cosine of an ad's sentence to the mean of those without ads.",
    "words": "Words of the answer, without its ads' marks.",
    "repetition": "Share of word triples that stood in the answer before.",
    "disclosure": "1 when the answer says in its own words that it carries an ad; null without an ad.",
    "accuracy": "The judge's grade, 0 to 90: right, and an answer to the question.",
    "naturalness": "The judge's grade, 0 to 90: one text, links included.",
    "personality": "The judge's grade, 0 to 90: helps rather than sells.",
    "trust": "The judge's grade, 0 to 90: would be believed.",
    "notice": "The judge's grade, 0 to 90: the links are seen.",
    "click": "The judge's grade, 0 to 90: the links would be followed.",
    "satisfaction": "Mean of accuracy, naturalness, personality and trust.",
    "engagement": "Mean of notice and click.",
}


@property_check(
    deps=("ad_catalog", AssetDep("mechanism_outcomes", partition_mapping=AllPartitionMapping())),
    kinds=frozenset({"python", "parquet"}),
    pool=pool_of_judge() or pool_of_encoder(),
)
def answer_quality(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    user_model: UserModelResource,
) -> MaterializeResult:
    """Quality of every answer in `mechanism_outcomes`: the embedding metrics of GEM-Bench, repetition, disclosure.

    Sentences are embedded by the reward model's text encoder (`pctr.encoder`), offline. A judge (section `judge`, or a
    user that is an LLM) also grades every answer on GEM-Bench's scales; a null is an answer that it did not judge.
    """
    from llm_auction.evaluation.quality import answer_quality as measure
    from llm_auction.evaluation.quality_summary import quality_figures
    from llm_auction.pctr.encoders import encoder_of
    from llm_auction.report.sections.quality import quality_tables

    config = profile.get()
    require_pool(context, pool_of_judge(config) or pool_of_encoder(config))
    evaluated = evaluated_run(lake, model_store)
    for name, why in evaluated.left_out.items():
        context.log.warning(f"{TABLE}[{name}] is left out: {why}")
    # The clairvoyant bound is a number without a text.
    partitions = [{"mechanism": name} for name in sorted(evaluated.mechanisms) if name != CLAIRVOYANT.mechanism]
    if not partitions:
        raise MissingPartition(f"{TABLE} holds no mechanism yet: materialize {TABLE} first (`llm-auction evaluate`)")
    ads, encoder = load_ads(lake), encoder_of(config.pctr)
    judge = user_model.judge_llm()
    frames = []
    for partition in partitions:
        outcomes = lake.read(TABLE, partition)
        context.log.info(f"quality of {outcomes.height} answers of {partition['mechanism']}")
        frames.append(measure(outcomes, ads, encoder))
        if judge is not None:
            frames[-1] = frames[-1].hstack(_grades(outcomes, config, lake, judge))
    user_model.close()
    embedded_by = encoder.name
    del encoder
    release_gpu_memory()
    frame = pl.concat(frames)
    figures = quality_figures(frame, config.evaluation.bootstrap_resamples, config.seed)
    shown = {
        "encoder": embedded_by,
        "summary": MetadataValue.md("\n\n".join(one.markdown() for one in quality_tables(figures))),
    }
    return measured(lake, "answer_quality", frame, COLUMN_DESCRIPTIONS, shown, config, evaluated.models, "judge")


def _grades(outcomes: pl.DataFrame, config: Profile, lake: Lake, judge: "StructuredModel") -> list[pl.Series]:
    """The grades of the judging LLM, one row an answer, in the order of the outcomes."""
    from llm_auction.evaluation.judged_quality import JUDGED_SCHEMA, judged_quality
    from llm_auction.evaluation.quality_judge import QualityJudge

    asked = {one.query.query_id: one for one in load_auctions(lake, "test", config.bidding, config.seed, "test")}
    auctions = [asked[query_id] for query_id in outcomes["query_id"]]
    grades = QualityJudge(judge, config.user.quality_prompt, config.seed)
    return judged_quality(outcomes, auctions, grades).select(list(JUDGED_SCHEMA)).get_columns()
