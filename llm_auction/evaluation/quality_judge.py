"""A judge of answer quality: how satisfied a person is with an answer, and how its ads engage them.

The scales are those of GEM-Bench (arXiv 2509.14221): 90, 60, 30 or 0 for accuracy, naturalness, personality (it helps
rather than sells) and trust, and for notice and click.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llm_auction.market import Auction
from llm_auction.prompts.user_llm import quality_judge_messages
from llm_auction.seeds import derive_seed
from llm_auction.serving.structured import Missing, Question, Reply, StructuredModel

Grade = Literal[90, 60, 30, 0]
SATISFACTION = ("accuracy", "naturalness", "personality", "trust")
ENGAGEMENT = ("notice", "click")


class QualityVerdict(Reply):
    """What the judge says about one answer."""

    accuracy: Grade
    naturalness: Grade
    personality: Grade
    trust: Grade
    notice: Grade
    click: Grade
    reason: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The grades of one answer by scale, and the judge's reason."""

    grades: dict[str, int]
    reason: str

    @property
    def satisfaction(self) -> float:
        """Mean grade of accuracy, naturalness, personality and trust."""
        return sum(self.grades[name] for name in SATISFACTION) / len(SATISFACTION)

    @property
    def engagement(self) -> float:
        """Mean grade of notice and click."""
        return sum(self.grades[name] for name in ENGAGEMENT) / len(ENGAGEMENT)


class QualityJudge:
    """Grades answers with an LLM.

    Args:
        model: the judging LLM.
        template: the versioned template.
        seed: of its replies; another seed is another opinion on the same answers.
    """

    def __init__(self, model: StructuredModel, template: str = "quality_judge_v1", seed: int = 0) -> None:
        self.model = model
        self._template = template
        self._seed = seed

    def grade_all(self, auctions: Sequence[Auction], answers: Sequence[str]) -> list[Quality | Missing]:
        """The quality of every answer; `Missing` where the judge gave no usable verdict.

        Raises:
            ServerError: the server can't be used; what was graded stays in the cache.
        """
        questions = [
            Question(
                quality_judge_messages(auction, answer, self._template),
                QualityVerdict,
                _read,
                derive_seed(self._seed, "quality", auction.query.query_id, answer),
            )
            for auction, answer in zip(auctions, answers, strict=True)
        ]
        return self.model.ask_all(questions)


def _read(verdict: QualityVerdict) -> Quality:
    reason = " ".join(verdict.reason.encode("utf-8", "replace").decode("utf-8").split())
    return Quality({name: getattr(verdict, name) for name in (*SATISFACTION, *ENGAGEMENT)}, reason)
