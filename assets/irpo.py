"""Phase 1 of an IRPO iteration: deploy the previous Ad-LLM, show its answers to users, collect their clicks.

The chain of one partition (arm x iteration): `deployed_ad_llm -> ad_responses -> click_feedback ->
conversion_feedback` here, then the modelled feedback (`feedback_models`), the reward model (`pctr_model`), the
preference pairs (`preference_pairs`) and the tuned `ad_llm`, which the next iteration deploys (arXiv 2512.10551,
Algorithm 1).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, DataVersion, MaterializeResult, asset

from assets.feedback_events import (
    CLICK_COLUMNS,
    CONVERSION_COLUMNS,
    RESPONSE_COLUMNS,
    click_rows,
    conversion_rows,
    response_rows,
)
from assets.frames import auctions_from_rows, load_ads, load_auctions, load_profiles, load_queries
from assets.gate import refuse_out_of_order
from assets.logged_feedback import answered_days, logged_clicks, logged_responses
from assets.metadata import mean_of, numbers_metadata, rounded, table_metadata
from assets.partitions import deployed_pointer, irpo_partitions, partition_of
from assets.pools import pool_of_user_llm, require_pool
from assets.refused_days import refused_days
from assets.sampling import sample_answers
from assets.usage import user_llm_usage
from llm_auction.market import Ad, Auction
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed
from llm_auction.users.protocol import UserModel
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from resources.warehouse import Warehouse

# Answers on which the agreement of an LLM with itself and with the parametric user is measured: 200 replies at most.
AGREEMENT_ANSWERS = 100


@asset(
    group_name="irpo",
    partitions_def=irpo_partitions,
    deps=["pretrained_ad_llm"],
    kinds={"python"},
    owners=["team:ml-platform"],
    code_version="1",
)
def deployed_ad_llm(context: AssetExecutionContext, model_store: ModelStore) -> MaterializeResult:
    """The gate of an iteration: the Ad-LLM that it deploys, checked; the base model in the first.

    Fails at once when the previous iteration's `ad_llm` is missing or damaged, when its run is still going on, or when
    it failed in the same backfill. `ad_llm` of an iteration announces the next iteration's model here too, so that a
    re-run shows the iterations after it as stale.
    """
    partition = partition_of(context.partition_key)
    arm, iteration = partition["arm"], partition["iteration"]
    refuse_out_of_order(context.instance, context.run, arm, iteration)
    pointer = deployed_pointer(arm, iteration)
    model = model_store.resolve("ad_llm", pointer)
    return MaterializeResult(
        data_version=DataVersion(model.version),
        metadata={"pointer": f"ad_llm/{pointer}", "model_version": model.version, "path": str(model.path)},
    )


@asset(
    group_name="irpo",
    partitions_def=irpo_partitions,
    deps=["deployed_ad_llm", "ad_catalog", "user_profiles", "user_queries", "ad_candidates"],
    kinds={"python", "pytorch", "parquet"},
    owners=["team:ads-science"],
    code_version="2",
    pool="gpu",
)
def ad_responses(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    warehouse: Warehouse,
    model_store: ModelStore,
    engine: EngineResource,
) -> MaterializeResult:
    """Answers of the deployed Ad-LLM to every training query, under bids drawn for this phase.

    One row an answer: the auction, the text, the inserted ads, format errors, and the log-probability of the sequence.
    In the arm `production`, they are the answers that it gave to real users. The click log is no dependency here: every
    night would mark the iterations of the other arms as stale.
    """
    partition = partition_of(context.partition_key)
    arm, iteration = partition["arm"], partition["iteration"]
    config = profile.get().of_arm(arm)
    model = model_store.resolve("ad_llm", deployed_pointer(arm, iteration))
    if config.feedback.source == "click_log":
        refused = refused_days(context.instance, answered_days(warehouse, config, model.version))
        frame = logged_responses(warehouse, load_ads(lake), config, model.version, arm, iteration, without=refused)
        left_out = ", ".join(map(str, refused)) or "none"
        return _responses_result(lake, frame, partition, {"model_version": model.version, "days_left_out": left_out})
    luck, limit = config.luck_of(arm), config.population.train_queries
    auctions = load_auctions(lake, "train", config.bidding, config.seed, luck, iteration, "feedback", limit=limit)
    asked = config.ad_llm
    prompts = [render_messages(auction, asked.prompt, show_bids=asked.show_bids) for auction in auctions]
    with engine.answers_kept():
        answers, usage = sample_answers(
            engine,
            model.path,
            prompts,
            config.feedback.answers_per_query,
            config.sampling,
            derive_seed(config.seed, "feedback", luck, iteration),
            context.log.info,
        )
        rows = response_rows(auctions, answers, config.sampling, model.version, arm, iteration)
        frame = pl.DataFrame(rows, schema=RESPONSE_COLUMNS.schema)
        own = {
            "model_version": model.version,
            "tokens_per_answer": rounded(mean_of(frame["tokens"])),
            "unfinished_answers": sum(not answer.finished for group in answers for answer in group),
            **usage,
        }
        return _responses_result(lake, frame, partition, own)


def _responses_result(
    lake: Lake, frame: pl.DataFrame, partition: Mapping[str, str], own: Mapping[str, Any]
) -> MaterializeResult:
    """Save the answers; `own` is the metadata that only one source of answers has."""
    lake.write("ad_responses", frame, partition)
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("ad_responses", partition)),
        metadata={
            **table_metadata(frame, RESPONSE_COLUMNS.descriptions),
            "ads_per_answer": rounded(mean_of(frame["inserted_ad_ids"].list.len())),
            "format_error_rate": rounded(mean_of(frame["format_errors"] > 0)),
            **own,
        },
    )


@asset(
    group_name="irpo",
    partitions_def=irpo_partitions,
    deps=["ad_responses"],
    kinds={"python", "parquet"},
    owners=["team:ads-science"],
    code_version="2",
    pool=pool_of_user_llm(),
)
def click_feedback(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    warehouse: Warehouse,
    user_model: UserModelResource,
) -> MaterializeResult:
    """What users did with those answers: one row for every inserted ad, clicked or not, and why.

    An ad for which an LLM gave no usable verdict has null in place of a click: modelling leaves it out, and more of
    them than `user.max_missing_share` stop the iteration. In the arm `production` the click log knows the clicks.
    """
    partition = partition_of(context.partition_key)
    config = profile.get().of_arm(partition["arm"])
    responses = lake.read("ad_responses", partition)
    if config.feedback.source == "click_log":
        return _clicks_result(lake, logged_clicks(warehouse, config, responses), partition, {})
    require_pool(context, pool_of_user_llm(config))
    ads = load_ads(lake)
    user = user_model.open(
        list(ads.values()), lambda done, total: context.log.info(f"answers judged: {done} of {total}")
    )
    rows = list(responses.iter_rows(named=True))
    auctions = auctions_from_rows(rows, ads, load_profiles(lake), load_queries(lake))
    frame = pl.DataFrame(
        click_rows(rows, auctions, user, config.seed, config.luck_of(partition["arm"])), schema=CLICK_COLUMNS.schema
    )
    own = _agreement(user, ads, rows, auctions, config.seed) if config.user.is_llm else {}
    own |= user_llm_usage(user)
    user_model.close()
    return _clicks_result(lake, frame, partition, own)


@asset(
    group_name="irpo",
    partitions_def=irpo_partitions,
    deps=["click_feedback"],
    kinds={"python", "parquet"},
    owners=["team:ads-science"],
    code_version="2",
)
def conversion_feedback(
    context: AssetExecutionContext, profile: ProfileResource, lake: Lake, user_model: UserModelResource
) -> MaterializeResult:
    """What users bought after those clicks, seldom and later; none unless bids are for conversions (`reward.bids_on`).

    All of them land at once, with the time at which they happen: what reads them must not look beyond its own day.
    """
    partition = partition_of(context.partition_key)
    config = profile.get().of_arm(partition["arm"])
    rows: list[dict[str, Any]] = []
    if config.reward.bids_on == "conversions":
        ads, clicks = load_ads(lake), lake.read("click_feedback", partition)
        responses = list(lake.read("ad_responses", partition).iter_rows(named=True))
        auctions = auctions_from_rows(responses, ads, load_profiles(lake), load_queries(lake))
        buyer, worth = user_model.buyer(list(ads.values())), config.reward.conversion_worth
        luck_of = config.luck_of(partition["arm"])
        rows = conversion_rows(responses, auctions, clicks.to_dicts(), buyer, worth, config.seed, luck_of)
    frame = pl.DataFrame(rows, schema=CONVERSION_COLUMNS.schema)
    lake.write("conversion_feedback", frame, partition)
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("conversion_feedback", partition)),
        metadata={
            **table_metadata(frame, CONVERSION_COLUMNS.descriptions),
            "value": rounded(float(frame["value"].sum())),
        },
    )


def _clicks_result(
    lake: Lake, frame: pl.DataFrame, partition: Mapping[str, str], own: Mapping[str, Any]
) -> MaterializeResult:
    """Save the clicks; `own` is the metadata that only one source of clicks has."""
    lake.write("click_feedback", frame, partition)
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("click_feedback", partition)),
        metadata={
            **table_metadata(frame, CLICK_COLUMNS.descriptions),
            "clicks": int(frame["clicked"].sum()),
            "unjudged_ads": frame["clicked"].null_count(),
            "click_through_rate": rounded(mean_of(frame["clicked"])),
            **own,
        },
    )


def _agreement(
    user: UserModel, ads: Mapping[str, Ad], rows: Sequence[Mapping[str, Any]], auctions: Sequence[Auction], seed: int
) -> dict[str, Any]:
    """How far an LLM agrees with itself, asked twice, and with the parametric user, on the first answers with ads."""
    from llm_auction.users import ParametricUser
    from llm_auction.users.agreement import agreement_of, retest_agreement

    with_ads = [index for index, row in enumerate(rows) if row["inserted_ad_ids"]][:AGREEMENT_ANSWERS]
    showings = ([auctions[index] for index in with_ads], [str(rows[index]["answer"]) for index in with_ads], seed)
    itself = retest_agreement(user, *showings)
    formula = agreement_of(user, ParametricUser(list(ads.values())), *showings)
    return numbers_metadata(
        {
            "agreement_ads": itself.ads,
            "retest_agreement": itself.agreed,
            "retest_kappa": itself.kappa,
            "agreement_with_parametric": formula.agreed,
            "kappa_with_parametric": formula.kappa,
        }
    )
