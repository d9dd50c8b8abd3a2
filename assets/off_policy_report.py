"""What a candidate Ad-LLM would earn, estimated from real answers of the deployed ones, before anybody sees its own."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    Config,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)
from pydantic import Field

from assets.bench import load_reward_model
from assets.frames import load_ads
from assets.logged_answers import LoggedAnswers, days_of_window, read_log, score_log
from assets.metadata import numbers_metadata, table_metadata
from assets.refused_days import refused_days
from llm_auction.answers import parse_answer
from llm_auction.evaluation.off_policy import (
    LoggedOutcomes,
    OffPolicyEstimate,
    estimate_value,
    require_effective_samples,
)
from llm_auction.generation.rescoring import score
from llm_auction.irpo.scoring import rewards_of
from llm_auction.objective import Penalty, penalty_of
from llm_auction.profiles.schema import Profile
from llm_auction.seeds import derive_seed
from resources.champion import Champion
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore, ModelVersion
from resources.profile import ProfileResource
from resources.warehouse import Warehouse

# The estimate that decides: the least error of the four wherever it was measured (docs/experiments.md).
DECIDING = ("reward", "doubly_robust")

COLUMN_DESCRIPTIONS = {
    "outcome": "revenue (sum of bid x click) or reward (Eq. 5, with the clicks themselves), currency units an answer; "
    "of clicks that no filter excluded.",
    "estimator": "How the candidate's value is estimated; see llm_auction/evaluation/off_policy.py.",
    "value": "The candidate's value.",
    "low": "Lower end of its 95 % interval.",
    "high": "Upper end.",
    "logged": "What the logged answers brought.",
    "gain": "The candidate's value minus that.",
    "gain_low": "Lower end of the gain's 95 % interval.",
    "gain_high": "Upper end.",
    "passed": "Whether the candidate may be deployed by this report; the same in all rows, as all that follows.",
    "first_day": "First day of the log's window.",
    "last_day": "Its last day.",
    "policies": "Versions of the Ad-LLMs that wrote the log, sorted.",
    "temperature": "Of the candidate's answers.",
    "top_p": "Of the candidate's answers.",
    "top_k": "Of the candidate's answers.",
    "reward_model": "Version of the reward model of the doubly robust estimate; null where there is none.",
}


class OffPolicyRequest(Config):
    """Which candidate to judge, and on which days of the log."""

    candidate: str = Field(description="A name of the model store (llm_auction/03) or the version of an Ad-LLM.")
    last_day: str = Field("", description="Last day of the log to use (YYYY-MM-DD); empty is the newest.")


@asset(
    group_name="production",
    deps=["fct_click_log_responses", "fct_click_log_impressions", "reward_model_champion", "ad_catalog"],
    kinds={"python", "pytorch", "duckdb"},
    owners=["team:ads-science"],
    code_version="4",
    pool="gpu",
    check_specs=[
        AssetCheckSpec(
            "not_worse_than_the_log",
            asset="off_policy_report",
            blocking=True,
            description="The candidate's reward, doubly robust, is not below what the log brought by more than "
            "off_policy.tolerance, at the lower end of its interval.",
        ),
        AssetCheckSpec(
            "log_covers_the_candidate",
            asset="off_policy_report",
            description="The mean weight may be 1: no answers of the candidate's are missing from the log.",
        ),
    ],
)
def off_policy_report(
    context: AssetExecutionContext,
    config: OffPolicyRequest,
    profile: ProfileResource,
    lake: Lake,
    warehouse: Warehouse,
    model_store: ModelStore,
    engine: EngineResource,
) -> MaterializeResult:
    """Revenue and reward of a candidate Ad-LLM on logged auctions, by four off-policy estimators.

    The policies that wrote the log score their answers again, each under the settings of the answer; so does the
    candidate under those of section `sampling`. Answers whose logged log-probability is not met are left out, and too
    many of them, or too few effective samples, are refused. The doubly robust estimate takes the reward model that
    served before the window, which has seen none of its clicks; where there was none, it is left out and the candidate
    does not pass. `llm-auction models promote ad_llm` asks for this report.
    """
    settings = profile.get()
    candidate = _candidate(model_store, config.candidate)
    window = days_of_window(warehouse, settings, config.last_day)
    refused = refused_days(context.instance, window)
    frame = read_log(warehouse, settings, [day for day in window if day not in refused])
    log = score_log(frame, load_ads(lake), model_store, engine, settings, context.log.info)
    opened = engine.scorer(candidate.path)
    log_weights = score(opened, log.answers, log.finished, settings.sampling) - log.log_mu
    # Before the candidate's own answers are drawn, which takes longer than all the rest.
    require_effective_samples(log_weights, log.users, settings.off_policy.min_effective_samples)
    # Clicks that a model was fitted on hardly correct it: they take its predictions for better than they are.
    reward_model = Champion(model_store, "pctr").before(window[0])
    texts: list[list[str]] = []
    with engine.answers_kept():
        if reward_model is None:
            context.log.warning(f"no doubly robust estimate: {_why_none(window[0])}")
        else:
            sampled = opened.sample(
                [answer.prompt for answer in log.answers],
                settings.off_policy.answers_per_query,
                settings.sampling,
                derive_seed(settings.seed, "off policy", candidate.version),
                on_progress=lambda done, total: context.log.info(f"answers of the candidate: {done} of {total}"),
            )
            texts = [[answer.text for answer in group] for group in sampled]
        penalty = penalty_of(settings.reward)
        estimates = {
            outcome: _estimate(outcome, log, log_weights, texts, weights, reward_model, settings)
            for outcome, weights in (("revenue", Penalty(lambda_=0.0)), ("reward", penalty))
        }
        passed, verdict = _judged(estimates, settings.off_policy.tolerance, window[0])
        policies = sorted(set(frame["policy_version"]))
        basis = {
            "first_day": window[0],
            "last_day": window[-1],
            "policies": policies,
            **settings.sampling.model_dump(include={"temperature", "top_p", "top_k"}),
            "reward_model": reward_model.version if reward_model else None,
        }
        table = report_rows(estimates, passed, basis)
        partition = {"candidate": candidate.version}
        lake.write("off_policy_report", table, partition)
    outcome, _ = DECIDING
    found = estimates[outcome]
    covered = found.mean_weight.high is not None and found.mean_weight.high >= 1.0
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("off_policy_report", partition)),
        metadata={
            **table_metadata(table, COLUMN_DESCRIPTIONS),
            "candidate": candidate.version,
            "estimates": MetadataValue.md(_markdown(table)),
            "window": f"{window[0]} to {window[-1]}",
            "days_left_out": ", ".join(map(str, refused)) or "none",
            "policies": ", ".join(policies),
            "reward_model": reward_model.version if reward_model else f"none: {_why_none(window[0])}",
            "answers_read": log.read,
            "answers_used": found.n_answers,
            "users": found.n_units,
            **numbers_metadata(
                {
                    "effective_samples": found.effective_samples,
                    "mean_weight": found.mean_weight.value,
                    "largest_weight": found.largest_weight,
                }
            ),
        },
        check_results=[
            AssetCheckResult(check_name="not_worse_than_the_log", passed=passed, description=verdict),
            AssetCheckResult(
                check_name="log_covers_the_candidate",
                passed=covered,
                severity=AssetCheckSeverity.WARN,
                description=f"mean weight {found.mean_weight.value:.3f}, at most {found.mean_weight.high:.3f}",
            ),
        ],
    )


def _why_none(first_day: date) -> str:
    return f"no reward model that served before {first_day} is known not to have seen the clicks that it would correct"


def _judged(estimates: Mapping[str, OffPolicyEstimate], tolerance: float, first_day: date) -> tuple[bool, str]:
    """Whether the candidate may be deployed, and why."""
    outcome, estimator = DECIDING
    gain = estimates[outcome].gains.get(estimator)
    lower = None if gain is None else gain.low
    if lower is None:
        return False, f"no doubly robust estimate, which decides: {_why_none(first_day)}"
    return lower >= -tolerance, f"reward gain an answer, lower end {lower:.3f}; tolerated -{tolerance:g}"


def _candidate(store: ModelStore, name: str) -> ModelVersion:
    return store.resolve("ad_llm", name) if name in store.pointers("ad_llm") else store.version("ad_llm", name)


def _estimate(
    outcome: str,
    log: LoggedAnswers,
    log_weights: np.ndarray,
    candidates: Sequence[Sequence[str]],
    penalty: Penalty,
    reward_model: ModelVersion | None,
    settings: Profile,
) -> OffPolicyEstimate:
    penalties = [
        penalty.of(auction, parse_answer(answer.text, auction.candidates))
        for answer, auction in zip(log.answers, log.auctions, strict=True)
    ]
    predicted, predicted_candidate = None, None
    if reward_model is not None:
        clicks = load_reward_model(settings, reward_model.path)
        logged = [[answer.text] for answer in log.answers]
        predicted, predicted_candidate = (
            np.asarray([np.mean(values) for values in rewards_of(log.auctions, answers, clicks, penalty)])
            for answers in (logged, candidates)
        )
    return estimate_value(
        LoggedOutcomes(
            units=log.users,
            log_weights=log_weights,
            outcomes=log.revenue - np.asarray(penalties),
            predicted=predicted,
            predicted_candidate=predicted_candidate,
        ),
        min_effective_samples=settings.off_policy.min_effective_samples,
        resamples=settings.evaluation.bootstrap_resamples,
        seed=derive_seed(settings.seed, "off policy", outcome),
    )


def report_rows(estimates: Mapping[str, OffPolicyEstimate], passed: bool, basis: Mapping[str, object]) -> pl.DataFrame:
    """The table `off_policy_report`: one row an outcome and estimator, and what all of them rest on in each."""
    return pl.DataFrame(
        [
            {
                "outcome": outcome,
                "estimator": estimator,
                "value": value.value,
                "low": value.low,
                "high": value.high,
                "logged": estimate.logged.value,
                "gain": estimate.gains[estimator].value,
                "gain_low": estimate.gains[estimator].low,
                "gain_high": estimate.gains[estimator].high,
                "passed": passed,
                **basis,
            }
            for outcome, estimate in estimates.items()
            for estimator, value in estimate.values.items()
        ],
        schema_overrides={"reward_model": pl.String},
    )


def _markdown(table: pl.DataFrame) -> str:
    lines = ["| outcome | estimator | candidate | logged | gain |", "| --- | --- | ---: | ---: | ---: |"]
    for row in table.iter_rows(named=True):
        lines.append(
            f"| {row['outcome']} | {row['estimator'].replace('_', ' ')} | "
            f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f}) | {row['logged']:.2f} | "
            f"{row['gain']:+.2f} ({row['gain_low']:+.2f} to {row['gain_high']:+.2f}) |"
        )
    return "\n".join(lines)
