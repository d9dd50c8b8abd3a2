"""Off-policy estimates against values that are known: bandits whose truth is computable, and real bandit logs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llm_auction.evaluation.off_policy import (
    LoggedOutcomes,
    OffPolicyEstimate,
    TooFewEffectiveSamples,
    effective_sample_size,
    estimate_value,
)

OPEN_BANDIT = Path(__file__).resolve().parents[4] / "shared" / "data" / "open_bandit"
ESTIMATORS = {"ips", "self_normalised", "clipped", "doubly_robust"}


@dataclass(frozen=True)
class Bandit:
    """Contexts x actions: the log's policy, the candidate, click probabilities, bids and a reward model that errs."""

    logging: np.ndarray
    candidate: np.ndarray
    clicks: np.ndarray
    bids: np.ndarray
    model: np.ndarray

    @property
    def truth(self) -> float:
        return float((self.candidate * self.clicks * self.bids).sum(1).mean())

    def log(self, rng: np.random.Generator, units: int, answers_per_unit: int = 2) -> LoggedOutcomes:
        contexts = np.repeat(rng.integers(len(self.logging), size=units), answers_per_unit)
        uniforms = rng.random((len(contexts), 1))
        actions = (self.logging[contexts].cumsum(1) < uniforms).sum(1).clip(max=self.logging.shape[1] - 1)
        clicked = rng.random(len(contexts)) < self.clicks[contexts, actions]
        return LoggedOutcomes(
            units=np.repeat(np.arange(units), answers_per_unit).astype(str).tolist(),
            log_weights=np.log(self.candidate[contexts, actions]) - np.log(self.logging[contexts, actions]),
            outcomes=clicked * self.bids[contexts, actions],
            predicted=self.model[contexts, actions],
            predicted_candidate=(self.candidate * self.model).sum(1)[contexts],
        )


def softmax_bandit(gap: float, seed: int = 0) -> Bandit:
    """Twelve actions in thirty contexts; `gap` is how far the candidate's logits lie from the log's."""
    rng = np.random.default_rng(seed)
    logits, shift = rng.normal(size=(2, 30, 12))
    clicks = 1 / (1 + np.exp(1 - rng.normal(size=(30, 12)) - 0.3 * shift))
    bids = rng.uniform(1, 100, size=(30, 12))
    errs = np.clip(clicks + rng.normal(scale=0.1, size=(30, 12)), 0, 1)
    return Bandit(_softmax(logits), _softmax(logits + gap * shift), clicks, bids, errs * bids)


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits)
    return weights / weights.sum(1, keepdims=True)


def estimate(logged: LoggedOutcomes, **options: float) -> OffPolicyEstimate:
    defaults = {"min_effective_samples": 50, "resamples": 200, "seed": 0}
    return estimate_value(logged, **{**defaults, **options})  # type: ignore[arg-type]


def repeated(bandit: Bandit, repetitions: int, units: int) -> list[OffPolicyEstimate]:
    rng = np.random.default_rng(7)
    return [estimate(bandit.log(rng, units), resamples=120, seed=number) for number in range(repetitions)]


def test_the_estimates_are_right_on_average_and_their_intervals_cover_the_truth() -> None:
    bandit = softmax_bandit(gap=1.0)
    found = repeated(bandit, 150, units=250)
    for name in sorted(ESTIMATORS):
        intervals = [one.values[name] for one in found]
        values = np.asarray([interval.value for interval in intervals], dtype=float)
        error = values.mean() - bandit.truth
        assert abs(error) < 4 * values.std() / np.sqrt(len(values)), name
        covered = np.mean([interval.low <= bandit.truth <= interval.high for interval in intervals])  # type: ignore[operator]
        assert covered >= 0.86, name


def test_doubly_robust_errs_less_than_weighting_alone() -> None:
    bandit = softmax_bandit(gap=1.5)
    found = repeated(bandit, 60, units=300)
    error = {name: np.mean([(one.values[name].value - bandit.truth) ** 2 for one in found]) for name in ESTIMATORS}  # type: ignore[operator]
    assert error["doubly_robust"] < error["ips"]


def test_doubly_robust_needs_only_one_of_its_two_parts() -> None:
    bandit = softmax_bandit(gap=1.0)
    logged = bandit.log(np.random.default_rng(3), units=40_000, answers_per_unit=1)
    constant = np.full(len(logged.units), 30.0)
    wrong_model = replace(logged, predicted=constant, predicted_candidate=constant)
    assert estimate(wrong_model).values["doubly_robust"].value == pytest.approx(bandit.truth, rel=0.03)
    exact = replace(bandit, model=bandit.clicks * bandit.bids).log(np.random.default_rng(3), 40_000, 1)
    wrong_weights = replace(exact, log_weights=np.zeros(len(exact.units)))
    assert estimate(wrong_weights).values["doubly_robust"].value == pytest.approx(bandit.truth, rel=0.03)
    assert estimate(wrong_weights).values["ips"].value != pytest.approx(bandit.truth, rel=0.03)


def test_the_logs_own_policy_is_estimated_as_what_it_earned() -> None:
    logged = softmax_bandit(gap=0.0).log(np.random.default_rng(1), units=200)
    found = estimate(logged)
    for name in ("ips", "self_normalised", "clipped"):
        assert found.values[name].value == pytest.approx(found.logged.value)
        assert found.gains[name].low == pytest.approx(0.0, abs=1e-9)
    assert found.effective_samples == pytest.approx(200)
    assert found.mean_weight.value == pytest.approx(1.0)


def test_answers_that_the_log_can_not_hold_show_in_the_mean_weight() -> None:
    bandit = softmax_bandit(gap=0.5)
    without_best = bandit.logging * (bandit.logging < bandit.logging.max(1, keepdims=True))
    narrow = replace(bandit, logging=without_best / without_best.sum(1, keepdims=True))
    found = estimate(narrow.log(np.random.default_rng(2), units=2000))
    assert found.mean_weight.high < 1.0  # type: ignore[operator]


@pytest.mark.parametrize("shift", [0.0, 900.0, -900.0])
def test_effective_sample_size(shift: float) -> None:
    units = ["a", "b", "c", "d"]
    assert effective_sample_size(np.zeros(4) + shift, units) == pytest.approx(4)
    assert effective_sample_size(np.asarray([0.0, -np.inf, -np.inf, -np.inf]) + shift, units) == pytest.approx(1)
    assert effective_sample_size(np.asarray([np.log(3), 0, -np.inf, -np.inf]) + shift, units) == pytest.approx(16 / 10)
    assert effective_sample_size(np.zeros(4) + shift, ["a", "a", "a", "b"]) == pytest.approx(16 / 10)
    assert effective_sample_size(np.full(4, -np.inf), units) == 0.0


def test_too_few_effective_samples_are_refused_with_what_to_do() -> None:
    logged = softmax_bandit(gap=4.0).log(np.random.default_rng(0), units=80)
    with pytest.raises(TooFewEffectiveSamples, match=r"of 80 users are worth .* effective samples.*more days"):
        estimate(logged)
    nothing = replace(logged, log_weights=np.full(len(logged.units), -np.inf))
    with pytest.raises(TooFewEffectiveSamples, match=r"worth 0\.0 effective"):
        estimate(nothing)


def test_without_a_reward_model_there_is_no_doubly_robust_estimate() -> None:
    logged = softmax_bandit(gap=0.5).log(np.random.default_rng(1), units=100)
    assert set(estimate(replace(logged, predicted=None, predicted_candidate=None)).values) == ESTIMATORS - {
        "doubly_robust"
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_weights": np.zeros(3)}, "need as many"),
        ({"outcomes": np.asarray([1.0, np.nan])}, "not finite"),
        ({"log_weights": np.asarray([np.inf, 0.0])}, "1 of 2 logged answers have probability 0"),
        ({"log_weights": np.asarray([np.nan, 0.0])}, "1 of 2 logged answers have probability 0"),
        ({"predicted": np.zeros(2)}, "go together"),
    ],
)
def test_bad_input_is_named(change: dict[str, np.ndarray], message: str) -> None:
    given = {"units": ["a", "b"], "log_weights": np.zeros(2), "outcomes": np.zeros(2), **change}
    with pytest.raises(ValueError, match=message):
        LoggedOutcomes(**given)


@pytest.mark.skipif(not OPEN_BANDIT.exists(), reason="the Open Bandit logs are not beside the repository")
def test_the_uniform_policys_click_rate_is_estimated_from_the_thompson_samplers_log() -> None:
    """Real clicks and true propensities of 10,000 impressions; the truth is the uniform policy's own log."""
    log = pl.read_csv(OPEN_BANDIT / "bts_men.csv", columns=["item_id", "position", "click", "propensity_score"])
    truth = pl.read_csv(OPEN_BANDIT / "random_men.csv", columns=["click"])["click"].mean()
    items = log["item_id"].n_unique()
    rates = log.group_by("item_id").agg(rate=(pl.col("click").sum() + 0.5) / (pl.len() + 100))
    logged = LoggedOutcomes(
        units=[str(row) for row in range(log.height)],
        log_weights=-np.log(items * log["propensity_score"].to_numpy()),
        outcomes=log["click"].to_numpy().astype(float),
        predicted=log.join(rates, on="item_id", how="left", maintain_order="left")["rate"].to_numpy(),
        predicted_candidate=np.full(log.height, rates["rate"].mean()),
    )
    found = estimate(logged, min_effective_samples=100, resamples=1000)
    assert 500 < found.effective_samples < 900
    for name, interval in found.values.items():
        assert interval.low <= truth <= interval.high, name  # type: ignore[operator]
    assert found.logged.value == pytest.approx(0.0069)
