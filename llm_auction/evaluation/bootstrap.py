"""Percentile bootstrap over test queries: one resampling shared by every mechanism, so that comparisons are paired.

The queries are the units: the answers of one query are averaged first. Several seeds' runs are pooled by stratified
resampling (every resample keeps each seed's number of queries). The intervals speak of other queries from the same
population; they do not contain the luck of training, which only the spread over seeds shows. Where seeds share their
queries (`population.queries_source`), strata are not independent and pooled intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from llm_auction.seeds import generator

_RESAMPLES_AT_ONCE = 256
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its confidence interval.

    All None where it is undefined (a ratio to zero); without bounds where nothing says how it would vary (one query).
    """

    value: float | None
    low: float | None
    high: float | None

    def above(self, other: Interval) -> bool:
        """Whether this interval lies wholly above the other: no overlap."""
        return self.low is not None and other.high is not None and self.low > other.high


@dataclass(frozen=True, slots=True)
class ResampledMeans:
    """Column means over the queries: measured (`point`, [columns]) and resampled (`samples`, [resamples, columns]).

    `varies`: every stratum has two rows or more. One row is drawn again whatever the luck, so that resampling it says
    nothing of other queries: then figures have no bounds, and no difference is settled.
    """

    point: np.ndarray
    samples: np.ndarray
    varies: bool = True

    def ratio(self, numerator: int, denominator: int) -> Interval:
        """Mean of one column over the mean of another, both from the same resampled queries."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._interval(
                self.point[numerator] / self.point[denominator],
                self.samples[:, numerator] / self.samples[:, denominator],
            )

    def mean(self, column: int) -> Interval:
        return self._interval(self.point[column], self.samples[:, column])

    def difference(self, column: int, base: int) -> Interval:
        """Mean of one column minus the mean of another over the same resampled queries: the paired difference."""
        return self._interval(self.point[column] - self.point[base], self.samples[:, column] - self.samples[:, base])

    def p_value(self, column: int, base: int, margin: float = 0.0) -> float:
        """Two-sided p value of a paired difference against -`margin`: normal, with the bootstrap's standard error.

        Counting resamples beyond zero would need thousands of them for a family of many comparisons.
        """
        if not self.varies:
            return 1.0
        gap = self.point[column] - self.point[base] + margin
        error = (self.samples[:, column] - self.samples[:, base]).std()
        if error < _ROUNDING * max(abs(gap), 1.0):
            return float(abs(gap) < _ROUNDING)
        return float(erfc(abs(gap) / error / sqrt(2)))

    def _interval(self, point: float, samples: np.ndarray) -> Interval:
        found = percentile_interval(point, samples)
        return found if self.varies else Interval(found.value, None, None)


def resample_means(values: np.ndarray, strata: Sequence[int | str], resamples: int, seed: int) -> ResampledMeans:
    """Bootstrap the column means of `values` ([queries, columns]) by resampling rows within each stratum.

    Args:
        values: one row a query; a column holds one quantity of one mechanism. Must be finite.
        strata: the stratum (the seed of the run) of every row.
        resamples: number of bootstrap resamples, >= 1.
        seed: of the resampling; the same rows and seed give the same resamples whatever the columns.

    Raises:
        ValueError: no rows, a row without stratum, or a value that is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not len(values) or len(strata) != len(values):
        raise ValueError(
            f"bootstrap needs one row and one stratum a query, got {values.shape} and {len(strata)} strata"
        )
    if not np.isfinite(values).all():
        raise ValueError("bootstrap needs finite values: an outcome table holds an empty or infinite figure")
    rng = generator(seed, "bootstrap")
    labels = np.asarray([str(stratum) for stratum in strata])
    rows_by_stratum = [np.flatnonzero(labels == label) for label in sorted(set(labels))]
    samples = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        count = min(_RESAMPLES_AT_ONCE, resamples - start)
        weights = np.zeros((count, len(values)))
        for rows in rows_by_stratum:
            weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=count)
        samples[start : start + count] = weights @ values / len(values)
    return ResampledMeans(values.mean(axis=0), samples, varies=min(map(len, rows_by_stratum)) > 1)


def mean_interval(values: Sequence[float] | np.ndarray, resamples: int, seed: int) -> Interval:
    """The mean of one figure a query; no interval for a single query, all None for none."""
    if not len(values):
        return Interval(None, None, None)
    column = np.asarray(values, dtype=np.float64)[:, None]
    return resample_means(column, [0] * len(column), resamples, seed).mean(0)


def percentile_interval(point: float, samples: np.ndarray, confidence: float = 0.95) -> Interval:
    """The percentile interval of resampled figures; resamples in which a ratio is undefined are left out."""
    if not np.isfinite(point):
        return Interval(None, None, None)
    finite = samples[np.isfinite(samples)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(float(point), float(low), float(high))
