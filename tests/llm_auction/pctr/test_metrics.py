"""AUC, log loss, ECE with equal-mass bins, and Platt scaling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from llm_auction.pctr.calibration import Calibration, fit_calibration, sigmoid
from llm_auction.pctr.metrics import auc, ece_noise, expected_calibration_error, log_loss, quality, reliability_bins
from llm_auction.pctr.plots import loss_chart, reliability_chart


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    probabilities = np.round(rng.beta(1, 4, 4000), 2)  # rounded: many ties
    return probabilities, rng.random(4000) < probabilities


def test_auc_and_log_loss_agree_with_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, clicked = scored
    assert auc(probabilities, clicked) == pytest.approx(roc_auc_score(clicked, probabilities))
    inside = np.clip(probabilities, 0.01, 0.99)
    assert log_loss(inside, clicked) == pytest.approx(sklearn_log_loss(clicked, inside))


def test_auc_of_one_class_or_of_nothing_is_not_a_number() -> None:
    assert math.isnan(auc(np.asarray([0.1, 0.2]), np.asarray([True, True])))
    assert math.isnan(quality(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0))["auc"])


def test_bins_have_equal_mass_and_ece_is_their_weighted_distance() -> None:
    probabilities = np.asarray([0.1] * 5 + [0.6] * 5)
    clicked = np.asarray([False] * 4 + [True] + [True] * 4 + [False])
    low, high = reliability_bins(probabilities, clicked, bins=2)
    assert (low.count, low.predicted, low.observed) == (5, pytest.approx(0.1), pytest.approx(0.2))
    assert (high.count, high.predicted, high.observed) == (5, pytest.approx(0.6), pytest.approx(0.8))
    assert expected_calibration_error((low, high)) == pytest.approx(0.15)
    assert [part.count for part in reliability_bins(np.linspace(0, 1, 103), np.zeros(103), bins=10)] == [11] * 3 + [
        10
    ] * 7
    assert len(reliability_bins(probabilities[:3], clicked[:3])) == 3


def test_ece_of_true_probabilities_is_about_its_noise(scored: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, clicked = scored
    bins = reliability_bins(probabilities, clicked)
    assert expected_calibration_error(bins) < 2 * ece_noise(bins)
    skewed = reliability_bins(probabilities / 2, clicked)
    assert expected_calibration_error(skewed) > 5 * ece_noise(skewed)


def test_quality_sets_the_model_beside_the_users_own_probabilities(scored: tuple[np.ndarray, np.ndarray]) -> None:
    true, clicked = scored
    noisy = np.clip(true + np.random.default_rng(1).normal(0, 0.2, len(true)), 0.01, 0.99)
    figures = quality(noisy, clicked, true)
    assert figures["auc"] < figures["bayes_auc"]
    assert figures["log_loss"] > figures["bayes_log_loss"]
    assert figures["probability_rmse"] == pytest.approx(np.sqrt(np.mean((noisy - true) ** 2)))


def test_platt_scaling_mends_overconfident_logits_and_leaves_honest_ones() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(-1, 1, 4000)
    clicked = rng.random(4000) < sigmoid(logits)
    mended = fit_calibration(3 * logits + 1, clicked)
    assert mended.scale == pytest.approx(1 / 3, rel=0.1)
    np.testing.assert_allclose(mended.apply(3 * logits + 1), sigmoid(logits), atol=0.05)
    honest = fit_calibration(logits, clicked)
    np.testing.assert_allclose(honest.apply(logits), sigmoid(logits), atol=0.05)
    assert fit_calibration(logits[:20], clicked[:20]) == Calibration()
    assert fit_calibration(logits, np.zeros(4000, dtype=bool)) == Calibration()


def test_sigmoid_does_not_overflow() -> None:
    with np.errstate(all="raise"):
        assert sigmoid(np.asarray([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


def test_plots_draw(scored: tuple[np.ndarray, np.ndarray]) -> None:
    bins = reliability_bins(*scored)
    assert reliability_chart({"before": bins, "after": bins}).to_dict()["layer"]
    assert reliability_chart({"after": ()}).to_dict()["layer"]
    record = {"member": 0, "epoch": 1, "train_loss": 0.5, "validation_loss": 0.6}
    assert loss_chart([record]).to_dict()["mark"]
