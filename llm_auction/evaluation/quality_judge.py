"""An LLM as the judge of answer quality (`judged_quality.AnswerJudge`), on GEM-Bench's scales (arXiv 2509.14221)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from llm_auction.evaluation.judged_quality import SCALES
from llm_auction.market import Auction
from llm_auction.prompts.user_llm import quality_judge_messages
from llm_auction.seeds import derive_seed
from llm_auction.serving.structured import Missing, Question, Reply, StructuredModel

Grade = Literal[90, 60, 30, 0]


class QualityVerdict(Reply):
    """What the judge says about one answer: a grade a scale, and why."""

    accuracy: Grade
    naturalness: Grade
    personality: Grade
    trust: Grade
    notice: Grade
    click: Grade
    reason: str


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

    def __call__(self, auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, int] | None]:
        """The grades of every answer by scale; None where the judge gave no usable verdict.

        Raises:
            ServerError: the server can't be used; what was graded stays in the cache.
        """
        questions = [
            Question(
                quality_judge_messages(auction, answer, self._template),
                QualityVerdict,
                _grades,
                derive_seed(self._seed, "quality", auction.query.query_id, answer),
            )
            for auction, answer in zip(auctions, answers, strict=True)
        ]
        replies = self.model.ask_all(questions)
        return [None if isinstance(reply, Missing) else reply for reply in replies]


def _grades(verdict: QualityVerdict) -> dict[str, int]:
    return {name: getattr(verdict, name) for name in SCALES}
