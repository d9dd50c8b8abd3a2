"""Example answers before and after training, on the same query, candidates and bids; chosen by rule, not by taste."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from llm_auction.answers import parse_answer
from llm_auction.evaluation.efficiency import PRETRAINED
from llm_auction.evaluation.outcomes import Contender, of_contender
from llm_auction.market import Ad
from llm_auction.report.study import SeedRun, Study

# Which examples are shown: those at these quantiles of the gain in reward, so that a bad one is among them.
QUANTILES = {0.1: "One of the weakest gains", 0.5: "The median gain", 0.9: "One of the strongest gains"}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of an answer: plain text, or an inserted ad (`ad` is set) with its bid and what the user did."""

    text: str
    ad: Ad | None = None
    bid: int = 0
    probability: float = 0.0
    clicked: bool = False


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One answer cut into parts, with its figures (currency units)."""

    parts: tuple[Part, ...]
    revenue: float
    reward: float
    format_errors: int


@dataclass(frozen=True, slots=True)
class Example:
    """The same auction answered before and after training; `candidates` with their bids, highest bid first."""

    title: str
    query: str
    profile: str
    candidates: tuple[tuple[Ad, int], ...]
    before: AnswerView
    after: AnswerView


def examples(study: Study) -> list[Example]:
    """Examples of the first seed's run; none when pretrained or trained answers are missing or unjudged."""
    run = study.runs[0]
    final = study.comparison.last("llm_auction")
    if final is None or PRETRAINED not in study.comparison:
        return []
    before, after = _first_answers(run.outcomes, PRETRAINED), _first_answers(run.outcomes, final)
    judged = [one for one in before if before[one]["reward"] is not None and after[one]["reward"] is not None]
    gains = sorted((after[query_id]["reward"] - before[query_id]["reward"], query_id) for query_id in judged)
    if not gains:
        return []
    chosen = {gains[round(quantile * (len(gains) - 1))][1]: title for quantile, title in QUANTILES.items()}
    return [
        _example(title, before[query_id], after[query_id], run)
        for query_id, title in chosen.items()
        if query_id in run.queries
    ]


def _first_answers(outcomes: pl.DataFrame, contender: Contender) -> dict[str, dict[str, Any]]:
    rows = of_contender(outcomes, contender).filter(pl.col("sample_index") == 0)
    return {row["query_id"]: row for row in rows.iter_rows(named=True)}


def _example(title: str, before: Mapping[str, Any], after: Mapping[str, Any], run: SeedRun) -> Example:
    query = run.queries[before["query_id"]]
    candidates = [
        (run.ads[ad_id], bid)
        for ad_id, bid in zip(before["candidate_ad_ids"], before["bids"], strict=True)
        if ad_id in run.ads
    ]
    profile = run.profiles.get(query.user_id)
    return Example(
        title=title,
        query=query.text,
        profile=profile.text if profile else "",
        candidates=tuple(sorted(candidates, key=lambda pair: -pair[1])),
        before=_view(before, run.ads),
        after=_view(after, run.ads),
    )


def _view(row: Mapping[str, Any], ads: Mapping[str, Ad]) -> AnswerView:
    answer = row["answer"]
    parsed = parse_answer(answer, [ads[ad_id] for ad_id in row["candidate_ad_ids"] if ad_id in ads])
    bids = dict(zip(row["candidate_ad_ids"], row["bids"], strict=True))
    judged = {
        ad_id: (probability, clicked)
        for ad_id, probability, clicked in zip(
            row["inserted_ad_ids"], row["click_probabilities"], row["clicks"], strict=True
        )
    }
    parts, position = [], 0
    for inserted in parsed.inserted_ads:
        if inserted.start > position:
            parts.append(Part(answer[position : inserted.start]))
        probability, clicked = judged.get(inserted.ad_id, (0.0, False))
        parts.append(
            Part(answer[inserted.start : inserted.end], ads[inserted.ad_id], bids[inserted.ad_id], probability, clicked)
        )
        position = inserted.end
    parts.append(Part(answer[position:]))
    return AnswerView(tuple(part for part in parts if part.text), row["revenue"], row["reward"], row["format_errors"])
