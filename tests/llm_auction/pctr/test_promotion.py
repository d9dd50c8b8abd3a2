"""Who may become champion: the comparison of two models and the rule on it, on probabilities made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.pctr.comparison import METRICS, Comparison, compare
from llm_auction.pctr.metrics import auc, log_loss, quality
from llm_auction.pctr.promotion import judge
from llm_auction.profiles.schema import NightlyConfig

RULE = NightlyConfig()
N = 4000


@pytest.fixture(scope="module")
def day() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """True click probabilities, clicks and users of one day."""
    rng = np.random.default_rng(5)
    true = 1 / (1 + np.exp(1 - rng.normal(size=N) * 1.5))
    return true, rng.random(N) < true, [f"u{index // 4}" for index in range(N)]


def compared(champion: np.ndarray, challenger: np.ndarray, clicked: np.ndarray, users: list[str]) -> Comparison:
    return compare(champion, challenger, clicked, users, resamples=200, confidence=0.9, seed=0)


def test_the_measured_worsening_is_that_of_the_metrics(day: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    true, clicked, users = day
    rounded = np.round(true, 1)  # ties
    found = compared(true, rounded, clicked, users)
    for name, sign in (("log_loss", 1), ("auc", -1), ("ece", 1)):
        expected = sign * (quality(rounded, clicked)[name] - quality(true, clicked)[name])
        assert found.worsening[name].value == pytest.approx(expected, abs=1e-9), name
        assert found.worsening[name].low <= found.worsening[name].high  # type: ignore[operator]
    assert found.challenger["auc"] == pytest.approx(auc(rounded, clicked))
    assert found.champion["log_loss"] == pytest.approx(log_loss(true, clicked))


def test_an_equal_or_better_challenger_is_promoted(day: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    true, clicked, users = day
    same = compared(true, true, clicked, users)
    assert all((same.worsening[name].low, same.worsening[name].high) == (0.0, 0.0) for name in METRICS)
    assert judge(same, RULE).promote
    blurred = 0.5 * true + 0.25
    verdict = judge(compared(blurred, true, clicked, users), RULE)
    assert verdict.promote
    assert "not worse on 4000 impressions: log loss" in verdict.reason


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda p, rng: np.clip(p + 0.15, 0, 1), {"log loss", "ECE"}),
        (lambda p, rng: rng.permutation(p), {"log loss", "AUC"}),
        (lambda p, rng: 0.4 * p + 0.2, {"log loss", "ECE"}),
    ],
)
def test_what_stands_against_a_challenger_is_named(
    day: tuple[np.ndarray, np.ndarray, list[str]], spoil: object, named: set[str]
) -> None:
    true, clicked, users = day
    worse = spoil(true, np.random.default_rng(0))  # type: ignore[operator]
    verdict = judge(compared(true, worse, clicked, users), RULE)
    assert not verdict.promote
    assert {label for label in ("log loss", "AUC", "ECE") if f"{label} 0" in verdict.reason} >= named
    assert "may be worse by" in verdict.reason


def test_the_burden_of_proof_is_the_challengers(day: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    """A challenger whose difference can't be told from noise is kept out on a small day, and let in on a big one."""
    true, clicked, users = day
    challenger = np.clip(true + np.random.default_rng(1).normal(scale=0.02, size=N), 0.01, 0.99)
    few = slice(0, 600)
    small = judge(compared(true[few], challenger[few], clicked[few], users[few]), RULE)
    assert judge(compared(true, challenger, clicked, users), RULE).promote
    tight = RULE.model_copy(update={"ece_tolerance": 0.002})
    assert not judge(compared(true[few], challenger[few], clicked[few], users[few]), tight).promote
    assert small.reason


def test_days_that_tell_nothing_change_nothing(day: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    true, clicked, users = day
    few = slice(0, 100)
    verdict = judge(compared(true[few], true[few], clicked[few], users[few]), RULE)
    assert not verdict.promote and "too few to judge on: 500" in verdict.reason
    verdict = judge(compared(true, true, np.zeros(N, dtype=bool), users), RULE)
    assert not verdict.promote and "nothing can be ranked" in verdict.reason
