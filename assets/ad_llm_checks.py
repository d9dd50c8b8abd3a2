"""Warnings about a tuned Ad-LLM: it should beat the model it started from, and still vary its answers.

Both models answer a few held-out queries under the same bids, and the iteration's own reward judges them. The result
informs the reader; nothing is selected by it.
"""

import warnings
from collections.abc import Iterable, Sequence
from math import isnan
from statistics import fmean

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    PreviewWarning,
    multi_asset_check,
)

from assets.frames import load_auctions
from assets.metadata import numbers_metadata
from assets.partitions import deployed_pointer, irpo_partitions, partition_of
from assets.preference_pairs import reward_clicks, reward_user, reward_values
from llm_auction.irpo.scoring import rewards_of
from llm_auction.objective import penalty_of
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

QUERIES = 20
ANSWERS = 4
MIN_DISTINCT_SHARE = 0.3
TUNED = "The tuned model's mean reward on held-out queries is not below that of the model it started from."
DIVERSE = f"At least {MIN_DISTINCT_SHARE:.0%} of the answers to a query are distinct, in the mean."


with warnings.catch_warnings():
    # Dagster calls the partitions of checks a preview; they make the UI show a check's history by partition.
    warnings.simplefilter("ignore", PreviewWarning)
    SPECS = [
        AssetCheckSpec("tuned_against_base", asset="ad_llm", description=TUNED, partitions_def=irpo_partitions),
        AssetCheckSpec("answer_diversity", asset="ad_llm", description=DIVERSE, partitions_def=irpo_partitions),
    ]


@multi_asset_check(name="ad_llm_tuning_checks", specs=SPECS, pool="gpu")
def ad_llm_tuning_checks(
    context: AssetCheckExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> Iterable[AssetCheckResult]:
    """Compare the tuned model with its start on a small held-out sample."""
    partition = partition_of(context.partition_key)
    arm, iteration = partition["arm"], partition["iteration"]
    config = profile.get().of_arm(arm)
    auctions = load_auctions(lake, "test", config.bidding, config.seed, arm, iteration, "check")[:QUERIES]
    asked = config.ad_llm
    prompts = [render_messages(auction, asked.prompt, show_bids=asked.show_bids) for auction in auctions]
    answers = {}
    with engine.answers_kept():
        for name, pointer in (("start", deployed_pointer(arm, iteration)), ("tuned", f"{arm}/{iteration}")):
            opened = engine.open(model_store.resolve("ad_llm", pointer).path, log_probabilities=False)
            drawn = opened.sample(prompts, ANSWERS, config.sampling, derive_seed(config.seed, "check", arm, iteration))
            answers[name] = [[answer.text for answer in group] for group in drawn]
        engine.close()
        penalty = penalty_of(config.reward)
        values = reward_values(config, arm, iteration, lake, model_store, user_model)(auctions)
        estimator = reward_clicks(config, arm, iteration, model_store, reward_user(config, lake, user_model))
        means = {name: _mean(rewards_of(values, groups, estimator, penalty)) for name, groups in answers.items()}
        user_model.close()
    gain = means["tuned"] - means["start"]
    yield AssetCheckResult(
        check_name="tuned_against_base",
        passed=gain >= 0.0,
        severity=AssetCheckSeverity.WARN,
        description=f"mean reward {means['start']:.2f} -> {means['tuned']:.2f} on {len(auctions)} held-out queries",
        metadata=numbers_metadata({"reward_start": means["start"], "reward_tuned": means["tuned"], "gain": gain}),
    )
    shares = {name: _distinct_share(groups) for name, groups in answers.items()}
    yield AssetCheckResult(
        check_name="answer_diversity",
        passed=shares["tuned"] >= MIN_DISTINCT_SHARE,
        severity=AssetCheckSeverity.WARN,
        description=f"{shares['tuned']:.0%} of {ANSWERS} answers to a query differ ({shares['start']:.0%} before)",
        metadata=numbers_metadata({"distinct_share_start": shares["start"], "distinct_share_tuned": shares["tuned"]}),
    )


def _mean(groups: Sequence[Sequence[float]]) -> float:
    """Mean over the answers whose reward is known: an LLM may not have judged all."""
    return fmean(value for group in groups for value in group if not isnan(value))


def _distinct_share(groups: Sequence[Sequence[str]]) -> float:
    """Mean over queries of distinct answers / answers."""
    return sum(len(set(group)) / len(group) for group in groups) / len(groups)
