"""Percentile bootstrap over test queries: one resampling shared by every mechanism, so that comparisons are paired.

The queries are the units: the answers of one query are averaged first. Several seeds' runs are pooled by stratified
resampling (every resample keeps each seed's number of queries). The intervals speak of other queries from the same
population; they do not contain the luck of training, which only the spread over seeds shows. Where seeds share their
questions (`population.queries_source`), those of one question are drawn together (`units`): a cluster bootstrap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
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

    `varies`: every stratum has two units or more. One is drawn again whatever the luck, so that resampling it says
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


def resample_means(
    values: np.ndarray,
    strata: Sequence[int | str],
    resamples: int,
    seed: int,
    units: Sequence[Hashable] | None = None,
) -> ResampledMeans:
    """Bootstrap the column means of `values` ([queries, columns]) by resampling units within each stratum.

    Args:
        values: one row a query; a column holds one quantity of one mechanism. Must be finite.
        strata: the stratum (the seed of the run) of every row.
        resamples: number of bootstrap resamples, >= 1.
        seed: of the resampling; the same rows and seed give the same resamples whatever the columns.
        units: what is drawn: rows of one unit are drawn together, in whichever strata they lie. Without it, each row
            alone. Units that lie in the same strata are resampled among themselves.

    Raises:
        ValueError: no rows, a row without stratum or unit, or a value that is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    named = range(len(values)) if units is None else units
    if values.ndim != 2 or not len(values) or not len(strata) == len(named) == len(values):
        raise ValueError(
            f"bootstrap needs one row, one stratum and one unit a query, got {values.shape}, {len(strata)} strata and "
            f"{len(named)} units"
        )
    if not np.isfinite(values).all():
        raise ValueError("bootstrap needs finite values: an outcome table holds an empty or infinite figure")
    rng = generator(seed, "bootstrap")
    unit_of = _numbered(named)
    strata_of: dict[int, set[str]] = {}
    for unit, stratum in zip(unit_of, strata, strict=True):
        strata_of.setdefault(int(unit), set()).add(str(stratum))
    alike: dict[tuple[str, ...], list[int]] = {}
    for unit, own in strata_of.items():
        alike.setdefault(tuple(sorted(own)), []).append(unit)
    samples = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        count = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = np.zeros((count, len(strata_of)))
        for _, members in sorted(alike.items()):
            drawn[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=count)
        weights = drawn[:, unit_of]
        samples[start : start + count] = weights @ values / weights.sum(axis=1, keepdims=True)
    units_in = Counter(stratum for own in strata_of.values() for stratum in own)
    return ResampledMeans(values.mean(axis=0), samples, varies=min(units_in.values()) > 1)


def _numbered(names: Sequence[Hashable]) -> np.ndarray:
    """The number of every name, from 0, in the order in which they first come."""
    numbers: dict[Hashable, int] = {}
    return np.asarray([numbers.setdefault(name, len(numbers)) for name in names])


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
