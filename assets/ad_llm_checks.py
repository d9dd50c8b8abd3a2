"""Warnings about a tuned Ad-LLM: it should beat the model it started from, and still vary its answers.

Both models answer a few held-out queries under the same bids, and the iteration's own reward judges them. The result
informs the reader; nothing is selected by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, multi_asset_check

from assets.frames import load_ads, load_auctions
from assets.partitions import deployed_pointer, irpo_partitions, partition_of
from llm_auction.answers import parse_answer
from llm_auction.market import Auction
from llm_auction.objective import Penalty, reward
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


@multi_asset_check(
    name="ad_llm_tuning_checks",
    specs=[
        AssetCheckSpec(
            "tuned_against_base",
            asset="ad_llm",
            description="The tuned model's mean reward on held-out queries is not below that of its start.",
            partitions_def=irpo_partitions,
        ),
        AssetCheckSpec(
            "answer_diversity",
            asset="ad_llm",
            description="Of several answers to the same query, enough are distinct.",
            partitions_def=irpo_partitions,
        ),
    ],
    pool="gpu",
)
def ad_llm_tuning_checks(
    context: AssetCheckExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> Iterable[AssetCheckResult]:
    """Compare the tuned model with its start on a small held-out sample."""
    config = profile.get()
    partition = partition_of(context.partition_key)
    arm, iteration = partition["arm"], partition["iteration"]
    auctions = load_auctions(lake, "test", config.bidding, config.seed, arm, iteration, "check")[:QUERIES]
    prompts = [render_messages(auction, config.ad_llm.prompt) for auction in auctions]
    answers = {}
    for name, pointer in (("start", deployed_pointer(arm, iteration)), ("tuned", f"{arm}/{iteration}")):
        drawn = engine.open(model_store.resolve("ad_llm", pointer).path).sample(
            prompts, ANSWERS, config.sampling, derive_seed(config.seed, "check", arm, iteration)
        )
        answers[name] = [[answer.text for answer in group] for group in drawn]
    penalty = Penalty(**config.reward.model_dump())
    judge = _judge(arm, iteration, lake, model_store, user_model)
    means = {name: _mean_reward(auctions, groups, judge, penalty) for name, groups in answers.items()}
    gain = means["tuned"] - means["start"]
    yield AssetCheckResult(
        check_name="tuned_against_base",
        passed=gain >= 0.0,
        severity=AssetCheckSeverity.WARN,
        description=f"mean reward {means['start']:.2f} -> {means['tuned']:.2f} on {len(auctions)} held-out queries",
        metadata={"reward_start": means["start"], "reward_tuned": means["tuned"], "gain": gain},
    )
    shares = {name: _distinct_share(groups) for name, groups in answers.items()}
    yield AssetCheckResult(
        check_name="answer_diversity",
        passed=shares["tuned"] >= MIN_DISTINCT_SHARE,
        severity=AssetCheckSeverity.WARN,
        description=f"{shares['tuned']:.0%} of {ANSWERS} answers to a query differ ({shares['start']:.0%} before)",
        metadata={"distinct_share_start": shares["start"], "distinct_share_tuned": shares["tuned"]},
    )


class _Judge(Protocol):
    def click_probabilities(self, auction: Auction, answer: str) -> Mapping[str, float]: ...


class _PctrJudge:
    """The click probabilities of the iteration's reward model."""

    def __init__(self, store: ModelStore, pointer: str) -> None:
        from llm_auction.pctr.model import PctrModel

        self.model = PctrModel.load(store.resolve("pctr", pointer).path)

    def click_probabilities(self, auction: Auction, answer: str) -> Mapping[str, float]:
        from llm_auction.pctr.impressions import impressions_of

        impressions = impressions_of(auction, answer)
        if not impressions:
            return {}
        predicted = self.model.predict(impressions)
        return {shown.ad.ad_id: float(value) for shown, value in zip(impressions, predicted, strict=True)}


def _judge(arm: str, iteration: str, lake: Lake, model_store: ModelStore, user_model: UserModelResource) -> _Judge:
    if arm == "oracle":
        return user_model.open(list(load_ads(lake).values()))
    return _PctrJudge(model_store, f"{arm}/{iteration}")


def _mean_reward(
    auctions: Sequence[Auction], groups: Sequence[Sequence[str]], judge: _Judge, penalty: Penalty
) -> float:
    rewards = [
        reward(
            auction,
            parse_answer(answer, auction.candidates),
            judge.click_probabilities(auction, answer),
            penalty,
        )
        for auction, group in zip(auctions, groups, strict=True)
        for answer in group
    ]
    return sum(rewards) / len(rewards)


def _distinct_share(groups: Sequence[Sequence[str]]) -> float:
    """Mean over queries of distinct answers / answers."""
    return sum(len(set(group)) / len(group) for group in groups) / len(groups)
