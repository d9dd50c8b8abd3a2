"""Phase 2's start: M answers to every training query under fresh bids, with their rewards, winner and losers."""

import time
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.arm_auctions import preference_auctions
from assets.bench import load_reward_model, predicted_click_values, true_click_values
from assets.feedback_events import Columns
from assets.frames import load_ads
from assets.metadata import mean_of, numbers_metadata, plot_metadata, rounded, table_metadata
from assets.partitions import deployed_pointer, irpo_partitions, partition_of
from assets.refused_feedback import require_accepted_feedback
from assets.sampling import sample_answers
from assets.unjudged import refuse_unjudged
from assets.usage import user_llm_usage
from llm_auction.answers import parse_answer
from llm_auction.generation.protocol import GeneratedAnswer
from llm_auction.irpo.preference_pairs import PreferenceSet
from llm_auction.irpo.scoring import rewards_of
from llm_auction.market import Auction
from llm_auction.objective import penalty_of
from llm_auction.profiles.schema import Profile, SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed
from resources.engines import EngineResource
from resources.gpu import release_gpu_memory
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

if TYPE_CHECKING:
    from llm_auction.click_values import ClickValues
    from llm_auction.mechanisms.protocol import ClickEstimator
    from llm_auction.users import UserModel

# Below the first, training would learn from a handful of prompts; below the second, most answers are alike.
LEAST_USABLE_SHARE = 0.05
EXPECTED_USABLE_SHARE = 0.25

PAIR_COLUMNS = Columns(
    {
        "query_id": (pl.String, "Query; one row each."),
        "arm": (pl.String, "Arm of the experiment."),
        "iteration": (pl.String, "Iteration, zero-padded."),
        "candidate_ad_ids": (pl.List(pl.String), "Candidate ads, in the order of the prompt."),
        "bids": (pl.List(pl.Int64), "Their bids per click, drawn for this phase."),
        "answers": (pl.List(pl.String), "The sampled answers."),
        "token_ids": (pl.List(pl.List(pl.Int64)), "Their tokens, end-of-sequence included."),
        "rewards": (pl.List(pl.Float64), "Their rewards (Eq. 5), currency units."),
        "logprobs": (pl.List(pl.Float64), "Their log-probabilities under the deployed model, nats."),
        "winner": (pl.Int64, "Index of the answer of the highest reward."),
        "losers": (pl.List(pl.Int64), "Indices of the answers more than delta_th below it."),
    }
)


@asset(
    group_name="irpo",
    partitions_def=irpo_partitions,
    deps=["deployed_ad_llm", "pctr_model", "ad_catalog", "user_profiles", "user_queries", "ad_candidates"],
    kinds={"python", "pytorch", "parquet"},
    owners=["team:ads-science"],
    code_version="3",
    pool="gpu",
    check_specs=[
        AssetCheckSpec(
            "enough_usable_pairs",
            asset="preference_pairs",
            blocking=True,
            description="Enough queries have a loser to learn from; stops the training below "
            f"{LEAST_USABLE_SHARE:.0%}, warns below {EXPECTED_USABLE_SHARE:.0%}.",
        )
    ],
)
def preference_pairs(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """M answers of the deployed Ad-LLM to every training query, scored by the reward (Eq. 5), winner and losers.

    Bids are drawn anew for this phase. Rewards use the iteration's own pCTR model, or the user model's own click
    probabilities (`preferences.rewards_from`), and pCVR besides where bids are for conversions (`reward.bids_on`).
    Answers that an LLM did not judge are left out; too many of them (`user.max_missing_share`) stop the iteration.
    """
    require_accepted_feedback(context.instance, context.partition_key)
    partition = partition_of(context.partition_key)
    arm, iteration = partition["arm"], partition["iteration"]
    config = profile.get().of_arm(arm)
    model = model_store.resolve("ad_llm", deployed_pointer(arm, iteration))
    user = reward_user(config, lake, user_model)
    estimator = reward_clicks(config, arm, iteration, model_store, user)
    values = reward_values(config, arm, iteration, lake, model_store, user_model)
    auctions = preference_auctions(lake, config, arm, iteration)
    started = time.perf_counter()
    with engine.answers_kept():
        answers, usage = sample_answers(
            engine,
            model.path,
            [render_messages(auction, config.ad_llm.prompt, show_bids=config.ad_llm.show_bids) for auction in auctions],
            config.preferences.answers_per_query,
            exploration(config),
            derive_seed(config.seed, "preferences", config.luck_of(arm), iteration),
            context.log.info,
        )
        sampled = time.perf_counter()
        texts = [[answer.text for answer in group] for group in answers]
        rewards = rewards_of(values(auctions), texts, estimator, penalty_of(config.reward))
        user_model.close()
        release_gpu_memory()  # of the encoder: the training wants all of it
        drawn: Iterable[tuple[Auction, Sequence[GeneratedAnswer], Sequence[float]]]
        drawn, unjudged = zip(auctions, answers, rewards, strict=True), 0
        if user is not None and config.user.is_llm:
            unjudged = sum(isnan(reward) for of_group in rewards for reward in of_group)
            refuse_unjudged(config, user, *inserted_ads(auctions, texts, rewards))
            drawn = judged_answers(auctions, answers, rewards)
        rows = [
            pair_row(auction, group, of_group, config.preferences.delta_th, arm, iteration)
            for auction, group, of_group in drawn
        ]
        frame = pl.DataFrame(rows, schema=PAIR_COLUMNS.schema)
        lake.write("preference_pairs", frame, partition)
    figures = pair_figures(frame)
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("preference_pairs", partition)),
        metadata={
            **table_metadata(frame, PAIR_COLUMNS.descriptions),
            "reward_gaps": _gap_plot(frame),
            **numbers_metadata(figures),
            "delta_th": config.preferences.delta_th,
            "model_version": model.version,
            "unjudged_answers": unjudged,
            "unfinished_answers": sum(not answer.finished for group in answers for answer in group),
            "sampling_seconds": rounded(sampled - started),
            "scoring_seconds": rounded(time.perf_counter() - sampled),
            **usage,
            **user_llm_usage(user),
        },
        check_results=[enough_usable_pairs(figures["usable_share"], frame.height, config.preferences.delta_th)],
    )


def reward_user(config: Profile, lake: Lake, user_model: UserModelResource) -> "UserModel | None":
    """The user whose own clicks reward an arm's answers; None where the arm's pCTR model does."""
    return user_model.open(list(load_ads(lake).values())) if config.preferences.rewards_from == "user" else None


def reward_clicks(
    config: Profile, arm: str, iteration: str, model_store: ModelStore, user: "UserModel | None"
) -> "ClickEstimator":
    """The click probabilities behind an arm's rewards: those of `reward_user`, or its own pCTR model's."""
    from llm_auction.mechanisms.click_estimates import clicks_from_user

    if user is not None:
        return clicks_from_user(user)
    return load_reward_model(config, model_store.resolve("pctr", f"{arm}/{iteration}").path)


def reward_values(
    config: Profile, arm: str, iteration: str, lake: Lake, model_store: ModelStore, user_model: UserModelResource
) -> "ClickValues":
    """What a click is worth behind an arm's rewards: the bid, or what pCVR makes of it, from where its clicks come."""
    if config.preferences.rewards_from == "user":
        return true_click_values(config, list(load_ads(lake).values()), user_model)
    return predicted_click_values(config, model_store.resolve("pctr", f"{arm}/{iteration}").path)


def judged_answers(
    auctions: Sequence[Auction], answers: Sequence[Sequence[GeneratedAnswer]], rewards: Sequence[Sequence[float]]
) -> Iterator[tuple[Auction, list[GeneratedAnswer], list[float]]]:
    """Each auction with the answers whose reward is known; one without any is left out."""
    for auction, group, of_group in zip(auctions, answers, rewards, strict=True):
        known = [place for place, reward in enumerate(of_group) if not isnan(reward)]
        if known:
            yield auction, [group[place] for place in known], [of_group[place] for place in known]


def inserted_ads(
    auctions: Sequence[Auction], texts: Sequence[Sequence[str]], rewards: Sequence[Sequence[float]]
) -> tuple[int, int]:
    """How many ads the answers hold whose reward is not known, and all answers."""
    unjudged = ads = 0
    for auction, group, of_group in zip(auctions, texts, rewards, strict=True):
        for text, reward in zip(group, of_group, strict=True):
            inserted = len(parse_answer(text, auction.candidates).ad_ids)
            ads += inserted
            unjudged += inserted if isnan(reward) else 0
    return unjudged, ads


def exploration(config: Profile) -> SamplingConfig:
    """How this phase draws its answers: as the deployed model does, unless the profile lets it try more."""
    own = {"temperature": config.preferences.temperature, "top_p": config.preferences.top_p}
    return config.sampling.model_copy(update={name: value for name, value in own.items() if value is not None})


def pair_row(
    auction: Auction,
    answers: Sequence[GeneratedAnswer],
    rewards: Sequence[float],
    delta_th: float,
    arm: str,
    iteration: str,
) -> dict[str, Any]:
    """One row of `preference_pairs`: the answers to one auction."""
    chosen = PreferenceSet(
        query_id=auction.query.query_id,
        messages=[],
        answers=tuple(answer.text for answer in answers),
        token_ids=tuple(answer.token_ids for answer in answers),
        rewards=tuple(rewards),
    )
    return {
        "query_id": chosen.query_id,
        "arm": arm,
        "iteration": iteration,
        "candidate_ad_ids": [ad.ad_id for ad in auction.candidates],
        "bids": list(auction.bids),
        "answers": list(chosen.answers),
        "token_ids": [list(tokens) for tokens in chosen.token_ids],
        "rewards": list(chosen.rewards),
        "logprobs": [answer.logprob for answer in answers],
        "winner": chosen.winner,
        "losers": list(chosen.losers(delta_th)),
    }


def pair_figures(frame: pl.DataFrame) -> dict[str, float]:
    """What the table teaches: shares of usable queries and of distinct answers, reward gaps, volume."""
    losers = frame["losers"].list.len()
    gaps = frame["rewards"].list.max() - frame["rewards"].list.min()
    answers = frame["answers"].list.len()
    return {
        "usable_share": mean_of(losers > 0),
        "losers_per_query": mean_of(losers),
        "mean_reward": mean_of(frame["rewards"].list.mean()),
        "mean_winner_reward": mean_of(frame["rewards"].list.max()),
        "mean_reward_gap": mean_of(gaps),
        "max_reward_gap": float(gaps.max() or 0.0),  # type: ignore[arg-type]
        "distinct_answers_share": mean_of(frame["answers"].list.n_unique() / answers),
        "tokens": int(frame["token_ids"].list.eval(pl.element().list.len()).list.sum().sum()),
    }


def enough_usable_pairs(usable_share: float, queries: int, delta_th: float) -> AssetCheckResult:
    """Stops the iteration when hardly any query has a loser, warns when few have."""
    stops = usable_share < LEAST_USABLE_SHARE
    return AssetCheckResult(
        check_name="enough_usable_pairs",
        passed=usable_share >= EXPECTED_USABLE_SHARE,
        severity=AssetCheckSeverity.ERROR if stops else AssetCheckSeverity.WARN,
        description=f"{usable_share:.0%} of {queries} queries have an answer more than {delta_th:g} below the winner. "
        "With few, lower preferences.delta_th or sample more answers (preferences.answers_per_query).",
        metadata={"usable_share": usable_share, "queries": queries},
    )


def _gap_plot(frame: pl.DataFrame) -> MetadataValue:
    import altair as alt

    gaps = frame.select(gap=pl.col("rewards").list.max() - pl.col("rewards").list.min())
    chart = (
        alt.Chart(gaps, width=420, height=180)
        .mark_bar()
        .encode(
            x=alt.X("gap:Q", bin=alt.Bin(maxbins=30), title="reward gap, best to worst answer"),
            y=alt.Y("count()", title="queries"),
        )
    )
    return plot_metadata(chart)
