"""The computed curves of MOSAIC and the segment auction: monotone, with the known ends."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.evaluation.baseline_curves import mosaic_curve, segment_curve

LADDER = list(range(0, 101, 5))


@pytest.mark.parametrize("tau", [0.0, 0.5, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_mosaic_never_loses_clicks_by_a_bid_where_its_clicks_are_true(tau: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    clicks = rng.random((10, 4)) * (rng.random((10, 4)) < 0.5)
    curve = mosaic_curve(clicks, rng.random(10), rng.integers(1, 101, 4), 1, LADDER, tau, clicks[:, 1])
    assert (np.diff(curve) >= -1e-12).all()
    assert curve.max() <= clicks[:, 1].max() + 1e-12


def test_mosaic_with_wrong_clicks_may_fall() -> None:
    """It follows the clicks it expects; where those are wrong the other way round, a higher bid costs clicks."""
    expected = np.array([[0.9], [0.1]])
    curve = mosaic_curve(expected, np.zeros(2), [50], 0, LADDER, 10.0, np.array([0.1, 0.9]))
    assert (np.diff(curve) < 0).all()


def test_the_segment_auction_in_closed_form() -> None:
    curve = segment_curve(np.array([0.5, 0.25]), [30.0, 40.0], 0, [0, 20, 100], 0.6)
    assert curve == pytest.approx([0.0, 0.6 * 0.5, 0.6 * 50 / 60])
    alone = segment_curve(np.array([0.5, 0.25]), [30.0, 0.0], 0, [0, 20], 0.6)
    assert alone == pytest.approx([0.0, 0.6])


def test_an_answer_that_nobody_judged_is_left_out_of_the_expectation() -> None:
    clicks = np.array([[0.5], [0.5], [0.5]])
    curve = mosaic_curve(clicks, np.zeros(3), [50], 0, LADDER, 10.0, np.array([1.0, np.nan, 0.0]))
    assert curve == pytest.approx(np.full(len(LADDER), 0.5))
    unknown = mosaic_curve(clicks, np.zeros(3), [50], 0, LADDER, 10.0, np.full(3, np.nan))
    assert np.isnan(unknown).all()
