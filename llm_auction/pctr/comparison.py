"""Two reward models on the same impressions: how much worse the challenger may be, by a paired bootstrap over users.

Both models' figures are drawn from the same resampled users, so that what makes a day easy or hard cancels out. AUC and
ECE are no means over impressions, so each resample computes them anew, from counts how often each user was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.evaluation.bootstrap import Interval, percentile_interval
from llm_auction.pctr.metrics import BINS, log_losses, quality
from llm_auction.seeds import generator

METRICS = ("log_loss", "auc", "ece")

Counted = Callable[[np.ndarray], float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`champion` and `challenger` are the figures of `llm_auction.pctr.metrics.quality`; `worsening` is by metric of
    `METRICS` how much worse the challenger is (a higher log loss or ECE, a lower AUC), with its interval."""

    champion: dict[str, float]
    challenger: dict[str, float]
    worsening: dict[str, Interval]


def compare(
    champion: np.ndarray,
    challenger: np.ndarray,
    clicked: np.ndarray,
    users: Sequence[str],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> Comparison:
    """Compare two models' click probabilities of the same impressions.

    Args:
        champion, challenger: pCTR of each impression.
        users: who saw it; the impressions of one user are drawn together.
        confidence: of the two-sided intervals of the worsening.
    """
    clicked = np.asarray(clicked, dtype=bool)
    names, places = np.unique(np.asarray(users, dtype=str), return_inverse=True)
    places = places.reshape(-1)
    figures = [_counted_figures(np.asarray(p, dtype=float), clicked) for p in (champion, challenger)]
    rng = generator(seed, "champion")
    drawn = np.empty((resamples, len(METRICS)))
    for resample in range(resamples):
        counts = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[places].astype(float)
        drawn[resample] = _worse(*([figure(counts) for figure in of_model] for of_model in figures))
    once = np.ones(len(clicked))
    measured = _worse(*([figure(once) for figure in of_model] for of_model in figures))
    return Comparison(
        champion=quality(champion, clicked),
        challenger=quality(challenger, clicked),
        worsening={
            name: percentile_interval(measured[column], drawn[:, column], confidence)
            for column, name in enumerate(METRICS)
        },
    )


def _worse(champion: Sequence[float], challenger: Sequence[float]) -> np.ndarray:
    """Challenger minus champion, with the sign turned where more is better."""
    return (np.asarray(challenger) - np.asarray(champion)) * [-1.0 if name == "auc" else 1.0 for name in METRICS]


def _counted_figures(p: np.ndarray, clicked: np.ndarray) -> tuple[Counted, ...]:
    """The metrics of one model as functions of how often each impression counts, in the order of `METRICS`."""
    return _log_loss(p, clicked), _auc(p, clicked), _ece(p, clicked)


def _log_loss(p: np.ndarray, clicked: np.ndarray) -> Counted:
    losses = log_losses(p, clicked)
    return lambda counts: float(np.average(losses, weights=counts))


def _auc(p: np.ndarray, clicked: np.ndarray) -> Counted:
    order = np.argsort(p, kind="stable")
    hits = clicked[order]
    first_of_tie = np.flatnonzero(np.diff(p[order], prepend=-np.inf))

    def figure(counts: np.ndarray) -> float:
        ranked = counts[order]
        positive = np.add.reduceat(ranked * hits, first_of_tie)
        negative = np.add.reduceat(ranked * ~hits, first_of_tie)
        pairs = positive.sum() * negative.sum()
        below = np.cumsum(negative) - negative / 2  # ties count half
        return float(positive @ below / pairs) if pairs else float("nan")

    return figure


def _ece(p: np.ndarray, clicked: np.ndarray) -> Counted:
    # The bins are those of all impressions; a resample only changes what counts in them.
    bins = np.empty(len(p), dtype=np.int64)
    for number, rows in enumerate(np.array_split(np.argsort(p, kind="stable"), BINS)):
        bins[rows] = number
    excess = p - clicked

    def figure(counts: np.ndarray) -> float:
        return float(np.abs(np.bincount(bins, counts * excess, BINS)).sum() / counts.sum())

    return figure
