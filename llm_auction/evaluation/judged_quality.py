"""Answer quality as a judge sees it, on the scales of GEM-Bench (arXiv 2509.14221): 90, 60, 30 or 0.

Satisfaction: accuracy, naturalness, personality (it helps rather than sells) and trust. Engagement: whether the ads are
noticed, and clicked. Who judges is left to the caller; `llm_auction.evaluation.quality_judge` asks an LLM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from llm_auction.evaluation.quality import KEYS
from llm_auction.market import Auction

SATISFACTION = ("accuracy", "naturalness", "personality", "trust")
ENGAGEMENT = ("notice", "click")
SCALES = (*SATISFACTION, *ENGAGEMENT)
GRADES = frozenset({90, 60, 30, 0})
JUDGED_SCHEMA: dict[str, pl.DataType] = {name: pl.Float64() for name in (*SCALES, "satisfaction", "engagement")}


class AnswerJudge(Protocol):
    """Grades answers; None where it comes to no verdict."""

    def __call__(self, auctions: Sequence[Auction], answers: Sequence[str]) -> Sequence[Mapping[str, int] | None]:
        """The grade on every one of `SCALES` of `answers[k]`, given in `auctions[k]`."""
        ...


def judged_quality(outcomes: pl.DataFrame, auctions: Sequence[Auction], judge: AnswerJudge) -> pl.DataFrame:
    """The grades of every answer beside its keys; nulls where the judge came to no verdict.

    `satisfaction` and `engagement` are the means of their scales. The same answer in the same query is judged once.

    Args:
        outcomes: rows as in `OUTCOME_SCHEMA`.
        auctions: the auction of each row.
        judge: see `AnswerJudge`.

    Raises:
        ValueError: the judge returned another number of verdicts, a scale that is missing or unknown, or a grade that
            is not on the scale.
    """
    answers = outcomes["answer"].to_list()
    place: dict[tuple[str, str], int] = {}
    for index, (auction, answer) in enumerate(zip(auctions, answers, strict=True)):
        place.setdefault((auction.query.query_id, answer), index)
    asked = list(place.values())
    verdicts = judge([auctions[index] for index in asked], [answers[index] for index in asked])
    if len(verdicts) != len(asked):
        raise ValueError(f"the judge gave {len(verdicts)} verdicts on {len(asked)} answers")
    verdict_of = dict(zip(asked, map(_row, verdicts), strict=True))
    rows = [
        verdict_of[place[auction.query.query_id, answer]] for auction, answer in zip(auctions, answers, strict=True)
    ]
    return pl.concat([outcomes.select(KEYS), pl.DataFrame(rows, schema=JUDGED_SCHEMA)], how="horizontal")


def _row(verdict: Mapping[str, int] | None) -> dict[str, float | None]:
    if verdict is None:
        return dict.fromkeys(JUDGED_SCHEMA)
    if set(verdict) != set(SCALES) or not set(verdict.values()) <= GRADES:
        raise ValueError(f"a verdict has {', '.join(SCALES)}, each 90, 60, 30 or 0; the judge gave {dict(verdict)}")
    grades: dict[str, float | None] = {name: float(verdict[name]) for name in SCALES}
    means = {"satisfaction": SATISFACTION, "engagement": ENGAGEMENT}
    return grades | {name: sum(verdict[one] for one in scales) / len(scales) for name, scales in means.items()}
