"""Bid monotonicity (arXiv 2512.10551, Theorem 4.2): raising a bid must not lower the ad's click-through rate.

As in the paper's experiment one candidate ad of every test query is picked at random and its bid is set to 1, 10, 20,
.., 100, all else equal; to the same steps of its own range, where that is another (`llm_auction.evaluation.probes`).
What is measured is itctr (Eq. 1): the probability that the ad is shown AND clicked. Ads with other ranges are put
together step by step.

A measured curve falls here and there although the true one rises: it is a mean of a few answers. Two tests say which
falls are more than that, each at 5 % for one contender as a whole:

- a step of one query: an exact one-sided sign test over the answers, which are paired along the curve (of the answers
  whose value changes, no more than half should fall), over all steps of all queries with the false discovery rate held
  by Benjamini and Hochberg's procedure;
- a step of the mean curve: a one-sided t test over the queries, with Holm's correction over the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from llm_auction.evaluation.bid_curves import BidCurve, curves_of
from llm_auction.evaluation.bootstrap import Interval, mean_interval, percentile_interval, resample_means
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.probes import Probe, ladders
from llm_auction.market import Auction
from llm_auction.profiles.schema import BiddingConfig
from llm_auction.seeds import generator

LADDER = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class BidResponse:
    """How clicks follow the bid, of one contender.

    `pooled_spearman`: rank correlation of the bid with the mean itctr over queries, with its interval over queries.
    `query_spearman`: the mean of the queries' own rank correlations; queries whose itctr never changes have none and
    are left out. `violation_share`: share of the steps up the ladder at which a query's measured itctr falls; with few
    answers a bid some of that is sampling noise. `confirmed_share`: share of all steps whose fall is beyond noise, with
    its interval over queries; undefined where no number of falling answers could be (too few answers a bid, or a
    computed curve). `falls_of_mean`: steps at
    which the mean curve falls beyond noise. `n` counts queries, `n_responsive` those with a rank correlation, `answers`
    those behind each point (0 for a computed curve).
    """

    pooled_spearman: Interval
    query_spearman: Interval
    violation_share: Interval
    confirmed_share: Interval
    falls_of_mean: int
    n: int
    n_responsive: int
    answers: int


def random_probe(auction: Auction, bidding: BiddingConfig, seed: int, reserve: float = 0.0) -> Probe:
    """One candidate at random, of those that can climb the ladder, the same for every model.

    Raises:
        ValueError: no candidate can; see `ladders`.
    """
    bids = ladders(auction, LADDER, bidding)
    ad_id = list(bids)[int(generator(seed, "probed-ad", auction.query.query_id).integers(len(bids)))]
    return Probe(auction, ad_id, bids[ad_id], reserve)


def bid_responses(table: pl.DataFrame, resamples: int, seed: int) -> dict[Contender, BidResponse]:
    """`bid_response` of every contender in a table of curves (`CURVE_SCHEMA`), in the table's order.

    Raises:
        ValueError: a query lacks a step of the ladder that others have.
    """
    return {contender: bid_response(curves, resamples, seed) for contender, curves in curves_of(table).items()}


def bid_response(curves: Sequence[BidCurve], resamples: int, seed: int) -> BidResponse:
    """Summarise the curves of ONE contender, with bootstrap intervals over its queries."""
    bids, itctr = curves[0].bids, np.stack([curve.itctr for curve in curves])
    correlations = np.array([_spearman(bids, row) for row in itctr], dtype=float)
    responsive = correlations[np.isfinite(correlations)]
    return BidResponse(
        pooled_spearman=_pooled_spearman(bids, itctr, resamples, seed),
        query_spearman=mean_interval(responsive, resamples, seed),
        violation_share=mean_interval((np.diff(itctr, axis=1) < 0).mean(axis=1), resamples, seed),
        confirmed_share=_confirmed_share(
            [curve.values for curve in curves if curve.values is not None], resamples, seed
        ),
        falls_of_mean=_falls_of_mean(itctr),
        n=len(itctr),
        n_responsive=len(responsive),
        answers=curves[0].answers,
    )


def _confirmed_share(values: Sequence[np.ndarray], resamples: int, seed: int) -> Interval:
    """Share of all steps of all queries, each (B, K), whose fall the sign tests confirm together.

    The tests' decisions are taken as they are; the interval says how the share would vary over other queries. Where
    none is confirmed resampling shows no spread, so the bound is exact: below it lies, at 95 %, the share of queries
    with any such fall, and all the more that of steps (the rule of three).
    """
    from scipy.stats import binom, false_discovery_control

    if not values or 0.5 ** values[0].shape[1] > LEVEL:
        return Interval(None, None, None)
    changes = np.diff(np.stack(values), axis=1)
    falls, rises = (changes < 0).sum(axis=2), (changes > 0).sum(axis=2)
    p_values = binom.sf(falls - 1, falls + rises, 0.5)
    confirmed = false_discovery_control(p_values, axis=None).reshape(p_values.shape) <= LEVEL
    if not confirmed.any():
        return Interval(0.0, 0.0, 1 - LEVEL ** (1 / len(confirmed)))
    return mean_interval(confirmed.mean(axis=1), resamples, seed)


def _falls_of_mean(itctr: np.ndarray) -> int:
    """Steps at which the mean over queries of `itctr` (queries, B) falls beyond what other queries would explain."""
    from scipy.stats import t

    steps = np.diff(itctr, axis=1)
    if len(steps) < 2:
        return 0
    means, errors = steps.mean(axis=0), steps.std(axis=0, ddof=1) / np.sqrt(len(steps))
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = np.sort(np.nan_to_num(t.cdf(means / errors, len(steps) - 1), nan=1.0))
    passed = p_values <= LEVEL / np.arange(len(p_values), 0, -1)
    return len(passed) if passed.all() else int(passed.argmin())


def _pooled_spearman(bids: np.ndarray, itctr: np.ndarray, resamples: int, seed: int) -> Interval:
    """Of the mean over queries of `itctr` (queries, B), with the interval over resampled queries."""
    value = _spearman(bids, itctr.mean(axis=0))
    if len(itctr) < 2 or not np.isfinite(value):
        return Interval(value if np.isfinite(value) else None, None, None)
    curves = resample_means(itctr, [0] * len(itctr), resamples, seed).samples
    return percentile_interval(value, _rank_correlations(bids, curves))


def _rank_correlations(bids: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Spearman's correlation of the bids with each row; NaN for a flat one."""
    from scipy.stats import rankdata

    ranks = rankdata(curves, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    own = rankdata(bids) - (len(bids) + 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return ranks @ own / np.sqrt((ranks**2).sum(axis=1) * (own @ own))


def _spearman(bids: np.ndarray, values: np.ndarray) -> float:
    return float(_rank_correlations(bids, values[None])[0])
