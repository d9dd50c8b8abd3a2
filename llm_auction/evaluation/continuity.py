"""Continuity (arXiv 2512.10551, Theorem 4.3): itctr has no step over the bid, where a slot auction has one.

As in the paper's experiment one ad's bid climbs from 1 to 100 in steps of 1, with many answers a bid, or over its own
range in as many steps (`llm_auction.evaluation.probes`). Beside it stands a slot auction on the same axes: one slot
beside the answer, won by the highest bid x click probability, so that its itctr jumps from nothing to all of the click
probability at one bid. A reserve price makes a step of its own: below it every itctr is 0.

The largest jump of a SAMPLED curve is partly noise, and the largest of 99 noisy jumps all the more. Its bounds hold for
all steps at once: the 97.5 % quantile, over bootstrap resamples of the answers, of the LARGEST error of any step is
taken off and added; the same for the range. Together they give conservative 95 % bounds of the largest true jump as a
share of the true range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np
import polars as pl

from llm_auction.answers import render_insertion
from llm_auction.bidding import bid_range
from llm_auction.evaluation.bid_curves import BidCurve, curves_of
from llm_auction.evaluation.bootstrap import Interval, mean_interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.probes import HIGHEST, LOWEST, Probe, ladders
from llm_auction.market import Auction
from llm_auction.mechanisms.click_estimates import clicks_from_user
from llm_auction.profiles.schema import BiddingConfig
from llm_auction.seeds import generator
from llm_auction.users.protocol import UserModel

SLOT_AUCTION = Contender("slot_auction")
ONE_QUERY, MANY_QUERIES = "one_query", "many_queries"


@dataclass(frozen=True, slots=True)
class SlotProbe(Probe):
    """The ad whose bid climbs in one auction, and where a slot auction would turn over to it.

    `threshold` is the bid from which the ad wins the slot (currency units per click), `click_probability` its click
    probability there, `off_centre` how far the threshold lies from the middle of the ad's bids, as a share of their
    range.
    """

    threshold: float = field(kw_only=True)
    click_probability: float = field(kw_only=True)
    off_centre: float = field(kw_only=True)

    @property
    def slot_itctr(self) -> np.ndarray:
        """The slot auction's itctr at each bid: nothing below the threshold, everything from it on."""
        return np.where(np.array(self.bids) >= self.threshold, self.click_probability, 0.0)


@dataclass(frozen=True, slots=True)
class Jump:
    """The largest jump of one curve between neighbouring bids.

    `size` in itctr, from `bid` to the next one up (None where several curves are pooled); `range` is the difference of
    the curve's highest and lowest point; `share` is size over range with its bounds (None for a flat curve).
    `steps_beyond_noise` counts the steps whose change is larger than the largest that sampling error explains.
    """

    size: float
    bid: int | None
    range: float
    share: Interval
    steps_beyond_noise: int


@dataclass(frozen=True, slots=True)
class ContinuityFigures:
    """One contender: the close look at one query (`jump`, from `answers` a bid), and many queries.

    `mean_share` is the mean over `queries` of their own largest jumps as a share of their ranges, from
    `answers_of_many` a bid.
    """

    jump: Jump
    mean_share: Interval
    queries: int
    answers: int
    answers_of_many: int


def ladder(step: int) -> tuple[int, ...]:
    """The bids of a curve: from 1 to 100 in steps of `step`, to be stretched over the ad's range."""
    return tuple(range(LOWEST, HIGHEST + 1, step))


def slot_probe(
    auction: Auction, user: UserModel, bids: Sequence[int], bidding: BiddingConfig, reserve: float = 0.0
) -> SlotProbe:
    """The candidate whose slot threshold lies nearest to the middle of its ladder, ties to the earlier one.

    A rule that looks at no model's answers, and puts the slot auction's step where it can be seen. Click probabilities
    are those of each ad alone, in no text; an ad that an LLM did not judge takes no part, and one that nobody would
    ever click is not chosen unless all are such.

    Raises:
        ValueError: no candidate can climb the ladder `bids` (see `ladders`), or none of those that can was judged.
    """
    climbing = ladders(auction, bids, bidding)
    alone = [render_insertion(ad) for ad in auction.candidates]
    clicks = clicks_from_user(user)([auction] * len(alone), alone)
    quality = [chances.get(ad.ad_id, 0.0) for ad, chances in zip(auction.candidates, clicks, strict=True)]
    scores = [
        bid * chance if bid >= reserve and not isnan(chance) else 0.0
        for bid, chance in zip(auction.bids, quality, strict=True)
    ]
    probes = []
    for index, ad in enumerate(auction.candidates):
        if ad.ad_id not in climbing or isnan(quality[index]):
            continue
        best_other = max((score for other, score in enumerate(scores) if other != index), default=0.0)
        threshold = max(best_other / quality[index], reserve) if quality[index] else float("inf")
        low, high = bid_range(ad, bidding)
        probes.append(
            SlotProbe(
                auction,
                ad.ad_id,
                climbing[ad.ad_id],
                reserve,
                threshold=threshold,
                click_probability=quality[index],
                off_centre=abs(threshold - (low + high) / 2) / (high - low),
            )
        )
    if not probes:
        raise ValueError(f"query {auction.query.query_id}: the User-LLM judged none of the ads whose bids can climb")
    return central_probe(probes)


def central_probe(probes: Iterable[SlotProbe]) -> SlotProbe:
    """Among the probes of several queries the one for the close look: the threshold nearest to the ladder's middle."""
    return min(probes, key=lambda probe: probe.off_centre)


def largest_jump(curve: BidCurve, resamples: int, seed: int) -> Jump:
    """The largest jump of one sampled or computed curve; a computed one has no sampling error, so its bounds meet."""
    steps, extent = np.diff(curve.itctr), float(np.ptp(curve.itctr))
    place = int(np.abs(steps).argmax())
    size = float(abs(steps[place]))
    step_error, range_error = _largest_errors(curve, resamples, seed)
    if extent == 0:
        share = Interval(None, None, None)
    else:
        low = max(size - step_error, 0.0) / (extent + range_error)
        least_range = extent - range_error
        high = min((size + step_error) / least_range, 1.0) if least_range > 0 else 1.0
        share = Interval(size / extent, low, high)
    beyond = int((np.abs(steps) > step_error).sum())
    return Jump(size, int(curve.bids[place]), extent, share, beyond)


def mean_share(curves: Sequence[BidCurve], resamples: int, seed: int) -> tuple[Interval, int]:
    """The queries' own largest jumps as shares of their ranges: mean with its interval over queries, and how many.

    Flat curves have no share and are left out. With K answers a bid even a smooth curve moves in steps of about 1 / K.
    """
    ranges = np.array([np.ptp(curve.itctr) for curve in curves])
    sizes = np.array([np.abs(np.diff(curve.itctr)).max() for curve in curves])
    shares = sizes[ranges > 0] / ranges[ranges > 0]
    return mean_interval(shares, resamples, seed), len(shares)


def point_intervals(curve: BidCurve, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % bootstrap interval of every point of a curve by itself, lower and upper ends (B,) each."""
    if curve.values is None:
        return curve.itctr, curve.itctr
    low, high = np.quantile(_resampled(curve.values, curve.itctr, resamples, seed), [0.025, 0.975], axis=0)
    return low, high


def continuity_figures(table: pl.DataFrame, resamples: int, seed: int) -> dict[Contender, ContinuityFigures]:
    """What a table of curves (`CURVE_SCHEMA` and `scope`) says of every contender, the slot auction last.

    Raises:
        ValueError: a contender lacks one of the two scopes, or its close look holds more than one query.
    """
    close, many = (curves_of(table.filter(pl.col("scope") == scope)) for scope in (ONE_QUERY, MANY_QUERIES))
    found = {}
    for contender, curves in close.items():
        if len(curves) != 1 or contender not in many:
            raise ValueError(f"bid_continuity is not complete for {contender.label}: materialize it again")
        share, queries = mean_share(many[contender], resamples, seed)
        found[contender] = ContinuityFigures(
            largest_jump(curves[0], resamples, seed), share, queries, curves[0].answers, many[contender][0].answers
        )
    return found


def _largest_errors(curve: BidCurve, resamples: int, seed: int) -> tuple[float, float]:
    """The 97.5 % quantiles of the largest error of any step and of the error of the range."""
    if curve.values is None:
        return 0.0, 0.0
    errors = _resampled(curve.values, curve.itctr, resamples, seed) - curve.itctr
    of_steps = np.abs(np.diff(errors, axis=1)).max(axis=1)
    return float(np.quantile(of_steps, 0.975)), float(np.quantile(np.ptp(errors, axis=1), 0.975))


def _resampled(values: np.ndarray, itctr: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Curves (resamples, B) of resampled answers; an answer is drawn with all its bids, as it was made.

    A point is the mean over the drawn answers that were judged; where none was, it is as measured.
    """
    answers = values.shape[1]
    weights = generator(seed, "curve-bootstrap").multinomial(answers, np.full(answers, 1 / answers), size=resamples)
    judged = weights @ ~np.isnan(values).T
    with np.errstate(invalid="ignore"):
        return np.where(judged > 0, weights @ np.nan_to_num(values).T / judged, itctr)
