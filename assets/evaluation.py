"""The evaluation: every mechanism on the same test queries, and the report that compares them."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import (
    AllPartitionMapping,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetDep,
    AssetExecutionContext,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.bench import Bench
from assets.measured_models import models_behind
from assets.measured_settings import measured_settings
from assets.mechanism_runs import MODELS_OF, TABLE, mechanism_partitions, outcomes_of
from assets.metadata import numbers_metadata, plot_metadata, table_metadata
from assets.properties import PROPERTIES
from assets.study import load_seed_run, runs_behind, write_report
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

if TYPE_CHECKING:
    from llm_auction.report.study import Study

COLUMN_DESCRIPTIONS = {
    "click_probabilities": "The user model's own probabilities of the inserted ads.",
    "clicks": "Whether the user clicked each of them; null where an LLM came to no verdict.",
    "revenue": "Sum of bid x sampled click; as all that hangs on clicks, null where an LLM came to no verdict.",
    "expected_revenue": "Sum of bid x click probability.",
    "penalty": "What Eq. 5 takes off for ads and format errors, currency units.",
    "reward": "Eq. 5 with the true click probabilities: expected_revenue - penalty.",
    "payments": "What each candidate is charged for this answer, in expectation over clicks, in their order; negative: "
    "a refund.",
    "payment": "Their sum.",
    "welfare": "Sum of value x click probability; a value is bidding.target_roi x bid.",
    "utility": "What the advertisers keep: welfare - payment.",
    "flooded": "It has ads, none with a chance of a click: too many, or talk about them; null where none is known.",
    "characters": "Characters of the answer shown.",
    "generations": "Answers that were generated to show this one.",
    "generated_tokens": "Tokens of all answers generated to show this one.",
    "seconds": "Wall time of serving this answer, its share of the batch; neither loading the model nor judging.",
    "clairvoyant_reward": "The best reward that the user model allows for this query and these bids.",
    "clairvoyant_revenue": "The expected revenue at that best reward.",
}


@asset(
    group_name="evaluation",
    partitions_def=mechanism_partitions,
    deps=[
        "ad_catalog",
        "user_profiles",
        "user_queries",
        "ad_candidates",
        "pretrained_ad_llm",
        # One partition of this asset evaluates all iterations of its arm, so it depends on all of them.
        AssetDep("ad_llm", partition_mapping=AllPartitionMapping()),
        AssetDep("pctr_model", partition_mapping=AllPartitionMapping()),
    ],
    kinds={"python", "pytorch", "parquet"},
    owners=["team:ads-science"],
    code_version="3",
    pool="gpu",
)
def mechanism_outcomes(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """One mechanism on the test queries: answers, sampled clicks, revenue, reward, payments, and the clairvoyant bound.

    All mechanisms share queries, candidates, bids and user randomness. An arm evaluates every iteration of its last
    run; `mosaic` draws its candidate answers once and auctions them at every tau, `best_of_n` draws once for every N.
    Of answers that an LLM did not judge the figures are null; too many (`user.max_missing_share`) are an error.
    """
    from llm_auction.evaluation.efficiency import Comparison
    from llm_auction.evaluation.summary import summary_markdown
    from llm_auction.report.contender_plot import contender_chart

    config = profile.get()
    bench = Bench.of(config, lake, user_model, context.log.info).with_reserve(config.evaluation.reserve_price)
    models = models_behind(model_store, MODELS_OF.get(context.partition_key, ()))
    partition = {"mechanism": context.partition_key}
    with engine.answers_kept():
        frame = outcomes_of(context.partition_key, bench, model_store, engine)
        engine.close()
        user_model.close()
        lake.write(TABLE, frame, partition, measured_settings(config), models)
    comparison = Comparison(frame, config.evaluation.bootstrap_resamples, config.seed)
    last = comparison.contenders[-1]
    return MaterializeResult(
        data_version=DataVersion(lake.data_version(TABLE, partition)),
        metadata={
            **table_metadata(frame, COLUMN_DESCRIPTIONS),
            "test_queries": comparison.queries,
            "unjudged_answers": frame["revenue"].null_count(),
            "unjudged_queries": comparison.unjudged_queries,
            **numbers_metadata(
                {name: comparison.interval(last, name).value for name in ("revenue_per_query", "reward_per_query")}
            ),
            "summary": MetadataValue.md(summary_markdown(comparison)),
            "revenue_and_reward": plot_metadata(contender_chart(comparison)),
        },
    )


@asset(
    group_name="evaluation",
    deps=[AssetDep("mechanism_outcomes", partition_mapping=AllPartitionMapping()), *PROPERTIES.values()],
    kinds={"python", "altair", "html"},
    owners=["team:ads-science"],
    code_version="2",
    check_specs=[
        AssetCheckSpec(
            "claims_hold",
            asset="study_report",
            description="No claim about LLM-Auction is contradicted by the intervals: above pretrained, MOSAIC (also "
            "on tuned candidates) and RAG-Auction, the Oracle not below it, no more format errors, and what theory "
            "promises of bids, steps, bills and incentives.",
        )
    ],
)
def study_report(
    context: AssetExecutionContext, profile: ProfileResource, lake: Lake, model_store: ModelStore
) -> MaterializeResult:
    """One self-contained `report.html` (offline, no script), `results.json` with every figure, and the plots as PNG.

    Compares the mechanisms that have been evaluated, with paired bootstrap intervals over the test queries.
    """
    from llm_auction.report.results_table import markdown_table
    from llm_auction.report.verdict import headline

    config = profile.get()
    run = load_seed_run(lake, model_store, context.log.info)
    run = replace(run, runs=runs_behind(context.instance, run))
    files = write_report([run], Path(lake.data_dir) / "report", config)
    images = {
        f"plot_{name}": MetadataValue.md(f"![{name}](data:image/png;base64,{_base64(path)})")
        for name, path in files.pngs.items()
    }
    return MaterializeResult(
        metadata={
            "headline": headline(files.study),
            "report": MetadataValue.path(str(files.html.resolve())),
            "results": MetadataValue.path(str(files.results.resolve())),
            "table": MetadataValue.md(markdown_table(files.study)),
            **images,
        },
        check_results=[_claims_hold(files.study)],
    )


def _claims_hold(study: "Study") -> AssetCheckResult:
    from llm_auction.report.verdict import findings

    found = findings(study)
    lines = ["| claim | | figures |", "| --- | --- | --- |"]
    lines += [f"| {one.claim} | {one.status} | {one.evidence} |" for one in found]
    return AssetCheckResult(
        check_name="claims_hold",
        passed=all(one.status != "fails" for one in found),
        severity=AssetCheckSeverity.WARN,
        metadata={"findings": MetadataValue.md("\n".join(lines))},
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
