"""Property check: how well the answers read, from their text, for every mechanism that was evaluated."""

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

from assets.frames import load_ads
from assets.metadata import table_metadata
from assets.study import TABLE
from llm_auction.evaluation.efficiency import CLAIRVOYANT
from resources.lake import Lake, MissingPartition
from resources.profile import ProfileResource

COLUMN_DESCRIPTIONS = {
    "sample_index": "Showing of this query: several answers are drawn for it.",
    "injection": "1 when the answer carries an ad.",
    "local_flow": "Mean cosine of neighbouring sentences.",
    "global_coherence": "Mean cosine of the sentences to their mean.",
    "ad_transition": "Mean cosine of an ad's sentence to its neighbours.",
    "ad_alignment": "Mean cosine of an ad's sentence to the mean of those without ads.",
    "repetition": "Share of word triples that stood in the answer before.",
    "disclosure": "1 when the answer says in its own words that it carries an ad; null without an ad.",
}


@asset(
    group_name="evaluation",
    deps=["ad_catalog", AssetDep("mechanism_outcomes", partition_mapping=AllPartitionMapping())],
    kinds={"python", "parquet"},
    owners=["team:ads-science"],
    code_version="1",
)
def answer_quality(context: AssetExecutionContext, profile: ProfileResource, lake: Lake) -> MaterializeResult:
    """Quality of every answer in `mechanism_outcomes`: the embedding metrics of GEM-Bench, repetition, disclosure.

    Sentences are embedded by the reward model's text encoder (`pctr.encoder`), offline. No model answers anything here.
    """
    from llm_auction.evaluation.quality import answer_quality as measure
    from llm_auction.evaluation.quality_summary import quality_figures
    from llm_auction.pctr.encoders import open_encoder
    from llm_auction.report.quality import quality_tables

    config = profile.get()
    # The clairvoyant bound is a number without a text.
    partitions = [one for one in lake.partitions(TABLE, "mechanism") if one["mechanism"] != CLAIRVOYANT.mechanism]
    if not partitions:
        raise MissingPartition(f"{TABLE} holds no mechanism yet: materialize {TABLE} first (`llm-auction evaluate`)")
    ads, encoder = load_ads(lake), open_encoder(config.pctr.encoder)
    frames = []
    for partition in partitions:
        outcomes = lake.read(TABLE, partition)
        context.log.info(f"quality of {outcomes.height} answers of {partition['mechanism']}")
        frames.append(measure(outcomes, ads, encoder))
    frame = pl.concat(frames)
    lake.write("answer_quality", frame)
    figures = quality_figures(frame, config.evaluation.bootstrap_resamples, config.seed)
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("answer_quality")),
        metadata={
            **table_metadata(frame, COLUMN_DESCRIPTIONS),
            "encoder": encoder.name,
            "summary": MetadataValue.md(quality_tables({config.seed: figures})[0].markdown()),
        },
    )
