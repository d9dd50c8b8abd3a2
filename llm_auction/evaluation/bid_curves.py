"""Bid curves: how often one ad is shown and clicked (itctr, Eq. 1 of arXiv 2512.10551) over its bid, all else equal.

A curve is sampled: K answers at every bid. Answer k meets the same random numbers at every bid, so that the differences
along a curve are paired by answer: what changes between two bids is the bid alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import polars as pl

from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.probes import Probe
from llm_auction.seeds import generator
from llm_auction.users.protocol import Judgement, UserModel

CURVE_SCHEMA: dict[str, pl.DataType] = {
    "mechanism": pl.String(),
    "iteration": pl.String(),
    "variant": pl.String(),
    "query_id": pl.String(),
    "ad_id": pl.String(),
    "bid": pl.Int64(),
    "answers": pl.Int64(),
    "shown": pl.Int64(),
    "clicks": pl.Int64(),
    "itctr": pl.Float64(),
    "answer_itctr": pl.List(pl.Float64()),
}


@dataclass(frozen=True, slots=True)
class BidCurve:
    """One ad's curve in one query.

    Attributes:
        query_id, ad_id: whose curve it is.
        bids: (B,) ascending, currency units per click.
        itctr: (B,) shown and clicked, in [0, 1]: the mean over the answers that were judged.
        values: (B, K) the same for each answer: its click probability where it shows the ad, else 0, NaN where an LLM
            came to no verdict; None for a curve that is computed rather than sampled.
    """

    query_id: str
    ad_id: str
    bids: np.ndarray
    itctr: np.ndarray
    values: np.ndarray | None

    @property
    def answers(self) -> int:
        """K; 0 for a computed curve."""
        return 0 if self.values is None else self.values.shape[1]


def curve_points(
    contender: Contender,
    probes: Sequence[Probe],
    step: int,
    answers: Sequence[Sequence[str]],
    user: UserModel,
    seed: int,
) -> pl.DataFrame:
    """One row a query at one bid, columns as in `CURVE_SCHEMA`.

    Args:
        probes: whose bid climbs.
        step: the place on their ladders at which the answers were given.
        answers: the answers to each, in the order of their random numbers.
        user: judges the answers; the random numbers of its clicks don't depend on the bid.
    """
    rows = []
    for probe, texts in zip(probes, answers, strict=True):
        auction, ad_id, query_id = probe.at(step), probe.ad_id, probe.auction.query.query_id
        luck = [generator(seed, "test-clicks", query_id, sample) for sample in range(len(texts))]
        judgements = user.judge_all([auction] * len(texts), texts, luck)
        probability_of = {text: user.click_probabilities(auction, text) for text in set(texts)}
        probabilities = [
            _chance(ad_id, probability_of[text], judged) for text, judged in zip(texts, judgements, strict=True)
        ]
        values = [0.0 if probability is None else probability for probability in probabilities]
        judged_values = [value for value in values if not isnan(value)]
        rows.append(
            {
                **_names(contender),
                "query_id": query_id,
                "ad_id": ad_id,
                "bid": probe.bids[step],
                "answers": len(texts),
                "shown": sum(probability is not None for probability in probabilities),
                "clicks": sum(bool(one.clicked) and one.ad_id == ad_id for judged in judgements for one in judged),
                "itctr": float(np.mean(judged_values)) if judged_values else None,
                "answer_itctr": [None if isnan(value) else value for value in values],
            }
        )
    return pl.DataFrame(rows, schema=CURVE_SCHEMA)


def _chance(ad_id: str, probabilities: dict[str, float] | None, judged: Sequence[Judgement]) -> float | None:
    """P(click) on an ad that is shown; where the user model knows none, the click itself. None when it isn't shown.

    NaN of a click that an LLM did not judge.
    """
    if probabilities is not None:
        return probabilities.get(ad_id)
    verdicts = (nan if one.clicked is None else float(one.clicked) for one in judged if one.ad_id == ad_id)
    return next(verdicts, None)


def computed_points(
    contender: Contender, query_id: str, ad_id: str, bids: Sequence[int], itctr: np.ndarray, answers: int
) -> pl.DataFrame:
    """The rows of a curve that a formula gives at every bid; `answers` are those that the formula rests on.

    `itctr` is NaN where nothing that it rests on was judged.
    """
    return pl.DataFrame(
        {"bid": bids, "itctr": itctr},
    ).select(
        *(pl.lit(value, pl.String).alias(name) for name, value in _names(contender).items()),
        query_id=pl.lit(query_id),
        ad_id=pl.lit(ad_id),
        bid=pl.col("bid").cast(pl.Int64),
        answers=pl.lit(answers, pl.Int64),
        shown=pl.lit(None, pl.Int64),
        clicks=pl.lit(None, pl.Int64),
        itctr=pl.col("itctr").cast(pl.Float64).fill_nan(None),
        answer_itctr=pl.lit(None, pl.List(pl.Float64)),
    )


def curves_of(table: pl.DataFrame) -> dict[Contender, list[BidCurve]]:
    """The curves of every contender in a table of points, contenders in the table's order, queries by id.

    A curve with a point of which nothing was judged is left out.

    Raises:
        ValueError: the queries of a contender were not measured at as many bids, or with different numbers of answers.
    """
    return {
        Contender(str(mechanism), _text_or_none(iteration), _text_or_none(variant)): _checked(list(_curves(part)))
        for (mechanism, iteration, variant), part in _complete(table).group_by(
            "mechanism", "iteration", "variant", maintain_order=True
        )
    }


def _curves(part: pl.DataFrame) -> Iterator[BidCurve]:
    for (query_id, ad_id), points in part.sort("query_id", "bid").group_by("query_id", "ad_id", maintain_order=True):
        sampled = not points["answer_itctr"].has_nulls()
        values = points["answer_itctr"].to_list()
        if sampled and len({len(of_bid) for of_bid in values}) > 1:
            raise ValueError(f"bid curve of query {query_id}: the bids were given different numbers of answers")
        yield BidCurve(
            str(query_id),
            str(ad_id),
            points["bid"].to_numpy(),
            points["itctr"].to_numpy(),
            np.array(values, dtype=np.float64) if sampled else None,
        )


def at_common_bids(table: pl.DataFrame) -> pl.DataFrame:
    """The same points with the mean bid of their step, in whole numbers, so that they can be averaged over ads.

    Where every ad climbs the same ladder that is the table as it is, without the curves that `curves_of` leaves out.
    """
    table = _complete(table)
    step = pl.col("bid").rank("dense").over("mechanism", "iteration", "variant", "query_id", "ad_id")
    return table.with_columns(bid=pl.col("bid").mean().over(step).round().cast(pl.Int64))


def _complete(table: pl.DataFrame) -> pl.DataFrame:
    """The points of the curves of which something was judged at every bid."""
    known = pl.col("itctr").is_not_null().all()
    return table.filter(known.over("mechanism", "iteration", "variant", "query_id", "ad_id"))


def _checked(curves: list[BidCurve]) -> list[BidCurve]:
    first = curves[0]
    for curve in curves:
        if len(curve.bids) != len(first.bids):
            raise ValueError(
                f"bid curves: every query needs every step of the ladder, and {curve.query_id} was measured at "
                f"{len(curve.bids)} bids, {first.query_id} at {len(first.bids)}; materialize the asset again"
            )
        if curve.answers != first.answers:
            raise ValueError(f"bid curves: {curve.query_id} has {curve.answers} answers a bid, not {first.answers}")
    return curves


def _names(contender: Contender) -> dict[str, str | None]:
    return {"mechanism": contender.mechanism, "iteration": contender.iteration, "variant": contender.variant}


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
