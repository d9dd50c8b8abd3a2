"""Bid monotonicity (arXiv 2512.10551, Theorem 4.2): raising a bid must not lower the ad's click-through rate.

As in the paper's experiment one candidate ad of every test query is picked at random and its bid is set to 1, 10, 20,
.., 100, all else equal. What is measured is itctr (Eq. 1): the probability that the ad is shown AND clicked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from llm_auction.evaluation.bootstrap import Interval, resample_means
from llm_auction.evaluation.outcomes import Contender
from llm_auction.market import Auction
from llm_auction.seeds import generator
from llm_auction.users.protocol import UserModel

LADDER = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
CURVE_SCHEMA: dict[str, pl.DataType] = {
    "mechanism": pl.String(),
    "iteration": pl.String(),
    "query_id": pl.String(),
    "ad_id": pl.String(),
    "bid": pl.Int64(),
    "answers": pl.Int64(),
    "shown": pl.Int64(),
    "clicks": pl.Int64(),
    "itctr": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class BidResponse:
    """How clicks follow the bid, of one contender.

    `pooled_spearman`: rank correlation of the bid with the mean itctr over queries. `query_spearman`: the mean of the
    queries' own rank correlations; queries whose itctr never changes have none and are left out. `violation_share`:
    share of the steps up the ladder at which a query's measured itctr falls; with few answers a bid some of that is
    sampling noise. `n` counts queries, `n_responsive` those with a rank correlation.
    """

    pooled_spearman: float | None
    query_spearman: Interval
    violation_share: Interval
    n: int
    n_responsive: int


def probed_ad(auction: Auction, seed: int) -> str:
    """The id of the ad whose bid is moved: one candidate at random, the same for every model."""
    return auction.candidates[
        int(generator(seed, "probed-ad", auction.query.query_id).integers(len(auction.bids)))
    ].ad_id


def with_bid(auction: Auction, ad_id: str, bid: int) -> Auction:
    """The same auction in which only the bid of `ad_id` is another."""
    bids = tuple(bid if ad.ad_id == ad_id else own for ad, own in zip(auction.candidates, auction.bids, strict=True))
    return replace(auction, bids=bids)


def curve_points(
    contender: Contender,
    probes: Sequence[Auction],
    ad_ids: Sequence[str],
    answers: Sequence[Sequence[str]],
    user: UserModel,
    seed: int,
) -> pl.DataFrame:
    """One row a query at one step of the ladder, columns as in `CURVE_SCHEMA`.

    Args:
        probes: auctions in which the probed ad has the step's bid.
        ad_ids: the probed ad of each.
        answers: the answers to each.
        user: judges the answers; the random numbers of its clicks don't depend on the bid.
    """
    rows = []
    for auction, ad_id, texts in zip(probes, ad_ids, answers, strict=True):
        query_id = auction.query.query_id
        probabilities = [user.click_probabilities(auction, text).get(ad_id) for text in texts]
        judgements = [
            user.judge(auction, text, generator(seed, "test-clicks", query_id, sample))
            for sample, text in enumerate(texts)
        ]
        rows.append(
            {
                "mechanism": contender.mechanism,
                "iteration": contender.iteration,
                "query_id": query_id,
                "ad_id": ad_id,
                "bid": auction.bid_of(ad_id),
                "answers": len(texts),
                "shown": sum(probability is not None for probability in probabilities),
                "clicks": sum(one.clicked and one.ad_id == ad_id for of_answer in judgements for one in of_answer),
                "itctr": float(np.mean([probability or 0.0 for probability in probabilities])),
            }
        )
    return pl.DataFrame(rows, schema=CURVE_SCHEMA)


def bid_responses(curves: pl.DataFrame, resamples: int, seed: int) -> dict[Contender, BidResponse]:
    """`bid_response` of every contender in a table of curves, in the table's order."""
    return {
        Contender(str(mechanism), None if iteration is None else str(iteration)): bid_response(part, resamples, seed)
        for (mechanism, iteration), part in curves.group_by("mechanism", "iteration", maintain_order=True)
    }


def bid_response(curves: pl.DataFrame, resamples: int, seed: int) -> BidResponse:
    """Summarise the curves of ONE contender, with bootstrap intervals over its queries.

    Raises:
        ValueError: a query lacks a step of the ladder that others have.
    """
    wide = curves.sort("query_id", "bid").group_by("query_id", maintain_order=True).agg("bid", "itctr")
    bids = wide["bid"][0].to_numpy()
    if any(row.to_list() != bids.tolist() for row in wide["bid"]):
        raise ValueError("bid curves: every query needs every step of the ladder; materialize bid_monotonicity again")
    itctr = np.array(wide["itctr"].to_list())
    correlations = np.array([_spearman(bids, row) for row in itctr], dtype=float)
    responsive = correlations[np.isfinite(correlations)]
    violations = (np.diff(itctr, axis=1) < 0).mean(axis=1)
    return BidResponse(
        pooled_spearman=_or_none(_spearman(bids, itctr.mean(axis=0))),
        query_spearman=_mean(responsive, resamples, seed),
        violation_share=_mean(violations, resamples, seed),
        n=len(itctr),
        n_responsive=len(responsive),
    )


def _spearman(bids: np.ndarray, values: np.ndarray) -> float:
    if np.ptp(values) == 0:
        return float("nan")
    return float(pl.select(pl.corr(pl.Series(bids), pl.Series(values), method="spearman")).item())


def _mean(values: np.ndarray, resamples: int, seed: int) -> Interval:
    if not len(values):
        return Interval(None, None, None)
    return resample_means(values[:, None], [0] * len(values), resamples, seed).mean(0)


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
