"""No misreport gains under MOSAIC and the segment auction; under first price on the same candidates one does."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.evaluation.truthfulness import TruthRegret, mosaic_regret, segment_regret

MISREPORTS = [0.0, 1.0, 7.5, *range(10, 201, 10)]


def candidates(seed: int, answers: int = 12, ads: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clicks = rng.random((answers, ads)) * (rng.random((answers, ads)) < 0.4)
    return clicks, rng.random(answers) * 10, rng.integers(1, 101, ads).astype(float)


@pytest.mark.parametrize("tau", [0.0, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_mosaic_is_truthful_and_individually_rational(tau: float, seed: int) -> None:
    clicks, costs, values = candidates(seed)
    found = mosaic_regret(clicks, clicks, costs, values, [MISREPORTS] * 5, tau)
    assert found.largest_gain <= 1e-9 and found.least_utility >= -1e-9 and found.advertisers == 5
    assert found.largest_true_gain == found.largest_gain


@pytest.mark.parametrize("tau", [0.0, 10.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_reserve_keeps_the_truth(tau: float, seed: int) -> None:
    clicks, costs, values = candidates(seed)
    values = np.maximum(values, 40.0)
    found = mosaic_regret(clicks, clicks, costs, values, [MISREPORTS] * 5, tau, reserve=40.0)
    assert found.largest_gain <= 1e-9 and found.least_utility >= -1e-9
    sold = segment_regret(clicks[0], values - 20, [MISREPORTS] * 5, reserve=40.0)
    assert sold.largest_gain <= 1e-9 and sold.least_utility >= -1e-9


def test_where_pctr_is_wrong_a_misreport_gains_under_the_users_own_clicks() -> None:
    clicks, costs, values = candidates(0)
    found = mosaic_regret(clicks, clicks / 3, costs, values, [MISREPORTS] * 5, 10.0)
    assert found.largest_gain <= 1e-9 and found.largest_true_gain > 0.1


def test_one_answer_or_one_ad_leaves_nothing_to_gain() -> None:
    clicks, costs, values = candidates(0, answers=1)
    assert abs(mosaic_regret(clicks, clicks, costs, values, [MISREPORTS] * 5, 1.0).largest_gain) <= 1e-9
    clicks, costs, values = candidates(1, ads=1)
    assert mosaic_regret(clicks, clicks, costs, values, [MISREPORTS], 1.0).largest_gain <= 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_the_segment_auction_is_truthful_and_individually_rational(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = segment_regret(rng.random(6), rng.integers(0, 101, 6).astype(float), [MISREPORTS] * 6)
    assert found.largest_gain <= 1e-9 and found.least_utility >= -1e-9


def test_a_lone_ad_wins_for_nothing() -> None:
    found = segment_regret(np.array([0.4]), [50.0], [MISREPORTS])
    assert found == TruthRegret(0.0, 0.0, 50.0, 1)


def test_joining() -> None:
    assert TruthRegret(1e-12, 0.1, 3.0, 2).joined(TruthRegret(-1.0, 0.4, 0.0, 3)) == TruthRegret(1e-12, 0.4, 0.0, 5)


def test_clicks_that_nobody_judged_are_left_out() -> None:
    clicks, costs, values = candidates(0)
    true = clicks / 3
    true[:, 2] = np.nan
    found = mosaic_regret(clicks, true, costs, values, [MISREPORTS] * 5, 10.0)
    whole = mosaic_regret(clicks, clicks / 3, costs, values, [MISREPORTS] * 5, 10.0)
    assert found.largest_gain == whole.largest_gain and 0 < found.largest_true_gain <= whole.largest_true_gain
