"""Answer quality: read as a person reads, null where it is not defined, right where the cosines are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from llm_auction.answers import render_insertion
from llm_auction.evaluation.judged_quality import SCALES, judged_quality
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.quality import answer_quality, read_answer
from llm_auction.evaluation.quality_summary import quality_figures
from llm_auction.market import Ad, Auction
from llm_auction.report.sections.quality import quality_tables
from tests.synthetic_study import catalog, synthetic_auctions, synthetic_profile

ADS = {"1": Ad("1", "Acme Boots. Second Edition", "shoes"), "2": Ad("2", "Tea Kit", "tea")}
BOOTS, TEA = (render_insertion(ad) for ad in ADS.values())


class FirstWordEncoder:
    """A sentence's vector depends on its first word alone: the axes x, y, or the diagonal between them."""

    name, dimension = "first word", 2
    DIRECTIONS: ClassVar = {"x": (1.0, 0.0), "y": (0.0, 1.0), "d": (0.5**0.5, 0.5**0.5)}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self.DIRECTIONS[text.split()[0]] for text in texts], dtype=np.float32)


def outcomes(*answers: str, query_ids: Sequence[str] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "mechanism": "pretrained", "iteration": None, "variant": None,
            "query_id": query_ids or [f"q{index}" for index in range(len(answers))], "sample_index": 0,
            "answer": answers, "candidate_ad_ids": [list(ADS)] * len(answers),
        },
        schema_overrides={"iteration": pl.String, "variant": pl.String, "sample_index": pl.Int64},
    )  # fmt: skip


def measured(answer: str) -> dict[str, float | None]:
    return answer_quality(outcomes(answer), ADS, FirstWordEncoder()).row(0, named=True)


def test_ads_are_read_by_their_titles() -> None:
    read = read_answer(f"Walk more. Try {BOOTS} soon. Broken @Tea@[Ad-9].", list(ADS.values()))
    # The full stop in the title ends no sentence, and a failed insertion is no text of one's own.
    assert len(read.sentences) == 3 and read.ad_sentences == (1,)
    assert "Acme Boots. Second Edition" in read.sentences[1]
    assert "Acme" not in read.own_text and "@" not in " ".join(read.sentences)


def test_cosines_of_known_sentences() -> None:
    found = measured(f"x one. d {BOOTS} two. y three.")
    half = 0.5**0.5
    assert found["local_flow"] == pytest.approx(half)
    assert found["global_coherence"] == pytest.approx((half + 1 + half) / 3)
    assert found["ad_transition"] == pytest.approx(half)
    assert found["ad_alignment"] == pytest.approx(1.0)
    jarring = measured(f"x one. x two. y {TEA}.")
    assert (jarring["ad_transition"], jarring["ad_alignment"]) == (pytest.approx(0.0), pytest.approx(0.0))
    assert jarring["local_flow"] == pytest.approx(0.5)


def test_where_a_metric_is_not_defined_it_is_null() -> None:
    one = measured(f"x just {BOOTS}.")
    assert [one[name] for name in ("local_flow", "global_coherence", "ad_transition", "ad_alignment")] == [None] * 4
    without = measured("x one. y two.")
    assert (without["injection"], without["ad_transition"], without["disclosure"]) == (0.0, None, None)
    everywhere = measured(f"x {BOOTS}. y {TEA}.")
    assert everywhere["ad_alignment"] is None and everywhere["ad_transition"] == pytest.approx(0.0)
    empty = answer_quality(outcomes(""), ADS, FirstWordEncoder()).row(0, named=True)
    assert (empty["words"], empty["repetition"], empty["local_flow"]) == (0.0, 0.0, None)


@pytest.mark.parametrize(
    ("text", "disclosed"),
    [
        (f"x try {BOOTS}, a sponsored tip.", 1.0),
        (f"x Ad: {BOOTS}.", 1.0),
        (f"x add {BOOTS} to your list, an adventure.", 0.0),
        (f"x try {BOOTS}.", 0.0),
    ],
)
def test_disclosure_counts_the_answers_own_words(text: str, disclosed: float) -> None:
    assert measured(text)["disclosure"] == disclosed


def test_a_candidate_that_the_catalog_lost_is_named() -> None:
    with pytest.raises(ValueError, match=r"names ad 2.*materialize mechanism_outcomes again"):
        answer_quality(outcomes("x."), {"1": ADS["1"]}, FirstWordEncoder())


def test_figures_average_answers_within_queries() -> None:
    table = answer_quality(
        outcomes(f"x a. y {BOOTS} ad.", f"x a. x {BOOTS}.", "x a. x b.", query_ids=["q0", "q0", "q1"]),
        ADS,
        FirstWordEncoder(),
    )
    found = quality_figures(table, 100, seed=0)[Contender("pretrained")]
    assert (found["injection"].mean.value, found["injection"].n) == (pytest.approx(0.5), 2)
    # Only one query has ads at all; half of its answers disclose them.
    assert (found["disclosure"].mean.value, found["disclosure"].n) == (pytest.approx(0.5), 1)
    assert len(quality_tables({Contender("pretrained"): found})) == 1


def judge(auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, int] | None]:
    """Says nothing about answers that begin with y."""
    return [
        None if text.startswith("y") else {**dict.fromkeys(SCALES, 90), "trust": 30, "click": 0} for text in answers
    ]


def test_grades_of_a_judge() -> None:
    auctions = synthetic_auctions(synthetic_profile(queries=2))
    rows = outcomes("x one.", "y two.", query_ids=[one.query.query_id for one in auctions])
    table = judged_quality(rows, auctions, judge)
    assert table["satisfaction"].to_list() == [75.0, None] and table["engagement"].to_list() == [45.0, None]
    text = answer_quality(
        rows.with_columns(candidate_ad_ids=pl.lit([ad.ad_id for ad in catalog()])),
        {ad.ad_id: ad for ad in catalog()},
        FirstWordEncoder(),
    )
    found = quality_figures(text.join(table, on=["query_id", "sample_index"], how="left"), 50, seed=0)
    assert found[Contender("pretrained")]["satisfaction"].n == 1
    assert [one.label for one in quality_tables(found)] == ["Answer quality", "Grades of the judge"]


def test_the_same_answer_is_judged_once() -> None:
    asked: list[str] = []

    def listening(auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, int] | None]:
        asked.extend(answers)
        return judge(auctions, answers)

    auction = synthetic_auctions(synthetic_profile(queries=1))[0]
    rows = outcomes("x same.", "x same.", query_ids=[auction.query.query_id] * 2)
    assert judged_quality(rows, [auction] * 2, listening)["trust"].to_list() == [30.0, 30.0]
    assert asked == ["x same."]


@pytest.mark.parametrize("verdict", [{"trust": 90}, {**dict.fromkeys(SCALES, 90), "trust": 75}])
def test_a_verdict_off_the_scales_is_refused(verdict: dict[str, int]) -> None:
    auction = synthetic_auctions(synthetic_profile(queries=1))[0]
    rows = outcomes("x.", query_ids=[auction.query.query_id])
    with pytest.raises(ValueError, match="each 90, 60, 30 or 0"):
        judged_quality(rows, [auction], lambda auctions, answers: [verdict])
    with pytest.raises(ValueError, match="0 verdicts on 1 answers"):
        judged_quality(rows, [auction], lambda auctions, answers: [])
