"""Means over what was judged: a click on which an LLM came to no verdict is NaN, neither a click nor its absence."""

from __future__ import annotations

import numpy as np


def judged_mean(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Mean along `axis` of what is not NaN; NaN where nothing was judged."""
    return _weighted(np.ones(values.shape), values, axis)


def judged_expectation(probabilities: np.ndarray, values: np.ndarray) -> float:
    """Expectation of `values` (M,), given that it is one of those that were judged; NaN if those have no chance."""
    if not np.isnan(values).any():
        return float(probabilities @ values)
    return float(_weighted(probabilities, values, axis=0))


def _weighted(weights: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    judged = ~np.isnan(values)
    summed = np.where(judged, weights * values, 0.0).sum(axis=axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return summed / np.where(judged, weights, 0.0).sum(axis=axis)
