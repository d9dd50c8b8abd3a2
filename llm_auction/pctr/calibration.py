"""Platt scaling: two numbers that turn a network's logits into honest probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_auction.pctr.metrics import log_loss

_STEPS = 30
_RIDGE = 1e-3
_TOLERANCE = 1e-8
_MIN_ROWS = 50


@dataclass(frozen=True, slots=True)
class Calibration:
    """p = sigmoid(scale * logit + shift); the default leaves a probability as it is."""

    scale: float = 1.0
    shift: float = 0.0

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of uncalibrated logits."""
        return sigmoid(self.scale * np.asarray(logits, dtype=float) + self.shift)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=float)))


def fit_calibration(logits: np.ndarray, clicked: np.ndarray, weights: np.ndarray | None = None) -> Calibration:
    """Platt scaling by Newton steps with a small pull towards the identity; `weights` say how much each row counts.

    The identity is returned when there are few rows, or when scaling doesn't lower the log loss of one half of the rows
    after being fitted on the other.
    """
    clicked = np.asarray(clicked, dtype=bool)
    if len(clicked) < _MIN_ROWS or clicked.all() or not clicked.any():
        return Calibration()
    counts = np.ones(len(clicked)) if weights is None else np.asarray(weights, dtype=float)
    half = np.arange(len(clicked)) % 2 == 0
    crossed = np.empty(len(clicked))
    for fitted, judged in ((half, ~half), (~half, half)):
        crossed[judged] = _newton(logits[fitted], clicked[fitted], counts[fitted]).apply(logits[judged])
    if log_loss(crossed, clicked, counts) >= log_loss(sigmoid(logits), clicked, counts):
        return Calibration()
    return _newton(logits, clicked, counts)


def _newton(logits: np.ndarray, clicked: np.ndarray, counts: np.ndarray) -> Calibration:
    design = np.column_stack([logits, np.ones(len(logits))]).astype(float)
    identity = np.asarray([1.0, 0.0])
    pull = _RIDGE * counts.sum() * np.eye(2)

    def objective(weights: np.ndarray) -> float:
        z = design @ weights
        away = weights - identity
        return float(np.sum(counts * (np.logaddexp(0, z) - clicked * z)) + 0.5 * away @ pull @ away)

    weights, value = identity.copy(), objective(identity)
    for _ in range(_STEPS):
        p = sigmoid(design @ weights)
        gradient = design.T @ (counts * (p - clicked)) + pull @ (weights - identity)
        hessian = (design * (counts * p * (1 - p))[:, None]).T @ design + pull
        step = np.linalg.solve(hessian, gradient)
        # A full Newton step overshoots from logits that are far too confident: halve it until it descends.
        while objective(weights - step) > value and np.abs(step).max() > _TOLERANCE:
            step /= 2
        weights = weights - step
        value = objective(weights)
        if np.abs(step).max() <= _TOLERANCE:
            break
    # A negative scale would turn the ranking round: the logits carry nothing then.
    return Calibration(float(max(weights[0], 0.0)), float(weights[1]))
