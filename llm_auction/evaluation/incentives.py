"""Incentives under first price (arXiv 2512.10551, section 4.3), read off measured bid curves itctr(b).

- A utility maximiser with value v a click has utility (v - b) * itctr(b). Bidding the truth always leaves it nothing,
  so first price is not truthful for it; its regret is what the best bid would leave.
- A value maximiser wants as much itctr as it can have at v * itctr >= tau * b * itctr. Every bid up to v / tau is
  feasible, click by click; the highest of them is best if itctr rises with the bid.

Individual rationality follows from the rule, a bid up to the value never leaves less than nothing, so that no curve
could show its failure: `charges.py` looks at what was charged.

The best bid of a MEASURED curve looks better than it is, because the best of several noisy points is taken. So the
answers of each curve are split in two: one half chooses the bid, the other says what it brings, and the other way
round. That is an unbiased estimate for the bid chosen, and a lower bound on average for the truly best one. What the
same answers say of the bid they chose themselves is reported beside it as the upper end; no curve is smoothed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from llm_auction.evaluation.bid_curves import BidCurve
from llm_auction.evaluation.bootstrap import Interval, mean_interval
from llm_auction.evaluation.judged import judged_mean
from llm_auction.seeds import generator


@dataclass(frozen=True, slots=True)
class FirstPriceRegret:
    """What utility maximisers could gain over the truth, per query, over `n` queries; currency units.

    `regret`: the gain of bids chosen by one half of the answers, as the other half measures it (on average a lower
    bound). `optimistic`: measured by the same answers that chose (on average an upper bound over the ladder's bids).
    `shading`: chosen bid over value, of the advertisers that would gain something; `shading_n` counts them.
    """

    regret: Interval
    optimistic: Interval
    shading: Interval
    n: int
    shading_n: int


@dataclass(frozen=True, slots=True)
class ValueMaximiserRegret:
    """What value maximisers with one target ROI could gain over bidding value / target, over `n` queries.

    `regret` and `optimistic` as in `FirstPriceRegret`, in itctr.
    """

    target_roi: float
    regret: Interval
    optimistic: Interval
    n: int


def draw_values(curves: Sequence[BidCurve], seed: int) -> np.ndarray:
    """A private value a click for the advertiser of each curve: a uniform integer of its range, as bids are drawn."""
    draws = [
        generator(seed, "value", curve.query_id).integers(curve.bids[0], curve.bids[-1], endpoint=True)
        for curve in curves
    ]
    return np.array(draws, dtype=np.float64)


def first_price_regret(curves: Sequence[BidCurve], values: np.ndarray, resamples: int, seed: int) -> FirstPriceRegret:
    """The regret of truthful utility maximisers, one for each curve.

    Args:
        curves: sampled curves of one contender, at least two answers a bid.
        values: value a click of each curve's advertiser, currency units.

    Raises:
        ValueError: no curve, a computed curve, or one answer a bid.
    """
    held_out, optimistic, shading = [], [], []
    for curve, value in zip(curves, values, strict=True):
        margins = value - curve.bids
        held, same, chosen = _best_of_halves(curve, margins[:, None], allowed=margins >= 0)
        if isnan(held):
            continue
        held_out.append(held)
        optimistic.append(same)
        if same > 0:
            shading.append(float(np.mean(curve.bids[chosen])) / value)
    return FirstPriceRegret(
        regret=mean_interval(held_out, resamples, seed),
        optimistic=mean_interval(optimistic, resamples, seed),
        shading=mean_interval(shading, resamples, seed),
        n=len(held_out),
        shading_n=len(shading),
    )


def value_maximiser_regret(
    curves: Sequence[BidCurve], values: np.ndarray, target_roi: float, resamples: int, seed: int
) -> ValueMaximiserRegret:
    """The regret of value maximisers that bid value / target: the highest bid of the ladder that is no higher.

    Curves whose lowest bid is above that are left out: their advertiser stays away.

    Raises:
        ValueError: as for `first_price_regret`, or a target below 1.
    """
    if target_roi < 1:
        raise ValueError(f"a target ROI must be >= 1, got {target_roi}")
    held_out, optimistic = [], []
    for curve, value in zip(curves, values, strict=True):
        allowed = curve.bids <= value / target_roi
        if not allowed.any():
            continue
        top = int(np.flatnonzero(allowed)[-1])
        own = np.zeros((len(curve.bids), 1)) + curve_values(curve)[top]
        held, same, _ = _best_of_halves(curve, np.ones((len(curve.bids), 1)), allowed, baseline=own)
        if isnan(held):
            continue
        held_out.append(held)
        optimistic.append(same)
    return ValueMaximiserRegret(
        target_roi,
        mean_interval(held_out, resamples, seed),
        mean_interval(optimistic, resamples, seed),
        len(held_out),
    )


def curve_values(curve: BidCurve) -> np.ndarray:
    """The curve's answers (B, K).

    Raises:
        ValueError: it was computed, or has a single answer a bid, so that nothing says how far to trust it.
    """
    if curve.values is None or curve.answers < 2:
        raise ValueError(
            f"the bid curve of query {curve.query_id} has {curve.answers} answers a bid; incentives need at least 2: "
            "raise properties.bid_answers and materialize bid_monotonicity again"
        )
    return curve.values


def _best_of_halves(
    curve: BidCurve, weights: np.ndarray, allowed: np.ndarray, baseline: np.ndarray | float = 0.0
) -> tuple[float, float, list[int]]:
    """The gain over the baseline of the best allowed bid: held out, by the same answers, and the bids that were chosen.

    Where no bid seems better than the baseline, the baseline is kept: the gain is 0. Answers that an LLM did not judge
    are left out, and a half in which it judged none of the bid that the other chose; both such halves make it NaN.
    """
    gains = weights * curve_values(curve) - baseline
    gains[~allowed] = -np.inf
    held_out, chosen = [], []
    for choosing, measuring in _halves(gains.shape[1]):
        seen = _seen(gains[:, choosing])
        best = int(seen.argmax())
        better = seen[best] > 0
        held_out.append(float(judged_mean(gains[best, measuring])) if better else 0.0)
        if better:
            chosen.append(best)
    return float(judged_mean(np.array(held_out))), max(float(_seen(gains).max()), 0.0), chosen


def _seen(gains: np.ndarray) -> np.ndarray:
    """Mean gain of each bid (B,); nobody chooses one of which nothing was judged."""
    means = judged_mean(gains, axis=1)
    return np.where(np.isnan(means), -np.inf, means)


def _halves(answers: int) -> Iterator[tuple[slice, slice]]:
    even, odd = slice(0, answers, 2), slice(1, answers, 2)
    yield even, odd
    yield odd, even
