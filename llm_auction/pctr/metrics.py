"""How good click probabilities are: AUC, log loss, expected calibration error, and the reliability curve behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

_EPSILON = 1e-7
BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of predictions: how many, their mean, and the share of clicks among them."""

    count: int
    predicted: float
    observed: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def auc(probabilities: np.ndarray, clicked: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a clicked impression ranks above one not clicked, ties counting half.

    NaN when all or none are clicked.
    """
    clicked = np.asarray(clicked, dtype=bool)
    positives = int(clicked.sum())
    negatives = len(clicked) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, places, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_ranks[places][clicked].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def log_losses(probabilities: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    """Binary cross-entropy (Eq. 4) of each impression, nats."""
    p = np.clip(np.asarray(probabilities, dtype=float), _EPSILON, 1 - _EPSILON)
    return -np.where(np.asarray(clicked, dtype=bool), np.log(p), np.log1p(-p))


def log_loss(probabilities: np.ndarray, clicked: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean binary cross-entropy, weighted where weights are given; NaN without impressions."""
    if len(clicked) == 0:
        return float("nan")
    return float(np.average(log_losses(probabilities, clicked), weights=weights))


def reliability_bins(probabilities: np.ndarray, clicked: np.ndarray, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Bins of equal mass, from the lowest predictions to the highest; fewer when there are fewer impressions."""
    order = np.argsort(probabilities, kind="stable")
    p = np.asarray(probabilities, dtype=float)[order]
    c = np.asarray(clicked, dtype=float)[order]
    parts = [part for part in np.array_split(np.arange(len(p)), bins) if len(part)]
    return tuple(ReliabilityBin(len(part), float(p[part].mean()), float(c[part].mean())) for part in parts)


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance of predicted and observed click rate, weighted by the bins' counts; NaN without bins."""
    total = sum(part.count for part in bins)
    if total == 0:
        return float("nan")
    return sum(part.count * abs(part.predicted - part.observed) for part in bins) / total


def ece_noise(bins: Sequence[ReliabilityBin]) -> float:
    """The ECE that perfectly calibrated predictions would show on so few impressions: sampling noise, not error."""
    total = sum(part.count for part in bins)
    if total == 0:
        return float("nan")
    spread = [np.sqrt(part.predicted * (1 - part.predicted) / part.count) for part in bins]
    return float(sum(part.count * s for part, s in zip(bins, spread, strict=True)) / total * np.sqrt(2 / np.pi))


def quality(
    probabilities: np.ndarray, clicked: np.ndarray, true_probabilities: np.ndarray | None = None
) -> dict[str, float]:
    """AUC, log loss, ECE, click rate, mean prediction and n; with the true probabilities also what they would reach.

    `bayes_auc` and `bayes_log_loss` are those of the user model's own probabilities: no model can do better on
    average. `probability_rmse` is the distance of the predictions to them.
    """
    clicked = np.asarray(clicked, dtype=bool)
    bins = reliability_bins(probabilities, clicked)
    figures = {
        "auc": auc(probabilities, clicked),
        "log_loss": log_loss(probabilities, clicked),
        "ece": expected_calibration_error(bins),
        "ece_noise": ece_noise(bins),
        "click_rate": float(clicked.mean()) if len(clicked) else float("nan"),
        "mean_prediction": float(np.mean(probabilities)) if len(clicked) else float("nan"),
        "n": float(len(clicked)),
    }
    if true_probabilities is not None and len(clicked):
        true = np.asarray(true_probabilities, dtype=float)
        figures["bayes_auc"] = auc(true, clicked)
        figures["bayes_log_loss"] = log_loss(true, clicked)
        figures["probability_rmse"] = float(np.sqrt(np.mean((true - probabilities) ** 2)))
    return figures
