"""Incentives on closed-form curves: the known best response is found, and noise is not reported as a gain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import lambertw

from llm_auction.evaluation.bid_curves import BidCurve
from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.incentives import draw_values, first_price_regret, value_maximiser_regret

BIDS = np.arange(1, 101)
MIDDLE, SCALE = 40.0, 8.0
LOGISTIC = 1 / (1 + np.exp(-(BIDS - MIDDLE) / SCALE))


def curve(itctr: np.ndarray, answers: int = 2) -> BidCurve:
    """Every answer has the true itctr: a curve without noise."""
    return BidCurve("q", "a", BIDS, itctr, np.repeat(itctr[:, None], answers, axis=1))


def noisy(itctr: np.ndarray, answers: int, seed: int) -> BidCurve:
    """Independent answers at every bid, which show the ad or don't."""
    values = (np.random.default_rng(seed).random((len(BIDS), answers)) < itctr[:, None]).astype(float)
    return BidCurve(f"q{seed}", "a", BIDS, values.mean(axis=1), values)


def logistic_best_response(value: float) -> tuple[float, float]:
    """The bid that maximises (v - b) * logistic(b), and what it leaves: (v - b) / s = 1 + exp((b - m) / s)."""
    best = value - SCALE - SCALE * float(lambertw(np.exp((value - MIDDLE) / SCALE - 1)).real)
    return best, (value - best) / (1 + np.exp(-(best - MIDDLE) / SCALE))


@pytest.mark.parametrize("value", [30.0, 60.0, 95.0])
def test_the_best_response_to_a_logistic_curve(value: float) -> None:
    bid, utility = logistic_best_response(value)
    found = first_price_regret([curve(LOGISTIC)], np.array([value]), 10, seed=0)
    assert found.shading.value == pytest.approx(bid / value, abs=0.5 / value + 1e-9)
    # No bid of the ladder is better than the exact one, and the nearest is nearly as good.
    assert utility - 0.02 <= found.regret.value <= utility
    assert found.optimistic.value == pytest.approx(found.regret.value)


def test_before_a_step_nothing_and_after_it_the_step_itself() -> None:
    found = first_price_regret([curve(np.where(BIDS >= 30, 0.5, 0.0))], np.array([80.0]), 10, seed=0)
    assert found.regret.value == pytest.approx(50 * 0.5)
    assert found.shading.value == pytest.approx(30 / 80)
    below = first_price_regret([curve(np.where(BIDS >= 30, 0.5, 0.0))], np.array([20.0]), 10, seed=0)
    assert (below.regret.value, below.shading, below.shading_n) == (0.0, Interval(None, None, None), 0)


def test_held_out_and_optimistic_regret_enclose_the_truth() -> None:
    truth = logistic_best_response(60.0)[1]
    curves = [noisy(LOGISTIC, 10, seed) for seed in range(60)]
    found = first_price_regret(curves, np.full(60, 60.0), 200, seed=0)
    assert found.regret.value < truth < found.optimistic.value
    assert found.regret.value > 0.6 * truth and found.n == 60


def test_an_ad_that_never_shows_and_a_worthless_click_gain_nothing() -> None:
    for itctr, value in ((np.zeros(100), 60.0), (LOGISTIC, 0.0)):
        found = first_price_regret([curve(itctr)], np.array([value]), 10, seed=0)
        assert (found.regret.value, found.optimistic.value) == (0.0, 0.0)


@pytest.mark.parametrize("target", [1.0, 1.5, 2.0])
def test_a_rising_curve_leaves_value_over_target_best_and_feasible(target: float) -> None:
    found = value_maximiser_regret([curve(LOGISTIC)], np.array([90.0]), target, 10, seed=0)
    assert (found.regret.value, found.optimistic.value, found.n) == (0.0, 0.0, 1)


def test_a_falling_curve_is_found_out() -> None:
    falling = 1 - LOGISTIC
    found = value_maximiser_regret([curve(falling)], np.array([90.0]), 1.5, 10, seed=0)
    assert found.regret.value == pytest.approx(falling[0] - falling[59])


def test_noise_about_a_flat_curve_is_no_gain() -> None:
    curves = [noisy(np.full(100, 0.3), 10, seed) for seed in range(80)]
    found = value_maximiser_regret(curves, np.full(80, 90.0), 1.0, 300, seed=0)
    assert found.regret.low <= 0 <= found.regret.high
    # What the same answers say of the bid they chose would have been taken for a gain.
    assert found.optimistic.low > 0.1


def test_an_advertiser_that_can_afford_no_bid_stays_away() -> None:
    found = value_maximiser_regret([curve(LOGISTIC)], np.array([1.0]), 2.0, 10, seed=0)
    assert (found.n, found.regret.value) == (0, None)


def test_values_are_drawn_by_query() -> None:
    curves = [noisy(LOGISTIC, 2, seed) for seed in range(50)]
    values = draw_values(curves, seed=0)
    assert values.min() >= 1 and values.max() <= 100 and len(set(values)) > 20
    assert draw_values(curves[::-1], seed=0).tolist() == values[::-1].tolist()


def test_values_come_from_the_range_of_the_curve() -> None:
    wide = [BidCurve(f"q{place}", "a", 500 + 5 * BIDS, LOGISTIC, LOGISTIC[:, None]) for place in range(50)]
    values = draw_values(wide, seed=0)
    assert values.min() >= 505 and values.max() <= 1000 and len(set(values)) > 20


def test_bad_input() -> None:
    computed = BidCurve("q", "a", BIDS, LOGISTIC, None)
    for one in (computed, curve(LOGISTIC, answers=1)):
        with pytest.raises(ValueError, match=r"properties\.bid_answers"):
            first_price_regret([one], np.array([50.0]), 10, seed=0)
    with pytest.raises(ValueError, match="target ROI"):
        value_maximiser_regret([curve(LOGISTIC)], np.array([50.0]), 0.5, 10, seed=0)


def test_unjudged_answers_are_left_out() -> None:
    """Curves without noise say the same however many of their answers are known."""
    whole = curve(LOGISTIC, answers=6)
    values = whole.values.copy()
    values[np.random.default_rng(0).random(values.shape) < 0.2] = np.nan
    values[60] = np.nan  # a bid of which nothing is known is not chosen
    partly = BidCurve("q", "a", BIDS, LOGISTIC, values)
    for value in (30.0, 95.0):
        expected, found = (first_price_regret([one], np.array([value]), 10, seed=0) for one in (whole, partly))
        assert found.regret.value == pytest.approx(expected.regret.value)
        assert found.optimistic.value == pytest.approx(expected.optimistic.value)
    kept = value_maximiser_regret([partly], np.array([90.0]), 1.5, 10, seed=0)
    assert (kept.regret.value, kept.optimistic.value, kept.n) == (0.0, 0.0, 1)


def test_a_query_whose_best_bid_can_not_be_measured_is_left_out() -> None:
    values = np.zeros((100, 2))
    values[9], values[19] = (1.0, np.nan), (np.nan, 1.0)  # each half chooses what the other did not see
    found = first_price_regret([BidCurve("q", "a", BIDS, np.zeros(100), values)], np.array([50.0]), 10, seed=0)
    assert (found.n, found.regret) == (0, Interval(None, None, None))
