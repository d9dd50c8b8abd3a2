"""The log-probabilities of answers that a log kept as text, under the settings that they were or would be sampled with.

`GeneratedAnswer.logprob`, and with it the column `logprob` of every log, is the model's own at temperature 1, without
truncation: comparable between settings, but not the probability with which the answer was drawn at temperature 0.7
with top-p and top-k. Importance weights need the latter, so both policies score the answer again, each under its own
settings. The logged value serves as proof: where the model, read today, gives another one, then the model, the prompt
or the tokens were others, and the answer has no usable weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llm_auction.generation.protocol import Messages
from llm_auction.profiles.schema import SamplingConfig

# How far a score may lie from the logged one, nats an answer: float noise of other batches, not another model.
TOLERANCE = 0.05


class ScoringEngine(Protocol):
    """What rescoring needs of an engine; see `TransformersEngine`."""

    def tokens_of(self, answer: str, *, finished: bool = True) -> list[int]: ...

    def log_probabilities(
        self,
        prompts: Sequence[Messages],
        answers: Sequence[Sequence[Sequence[int]]],
        sampling: SamplingConfig | None = None,
    ) -> list[list[float]]: ...


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer of a log; `logprob` as in `GeneratedAnswer`."""

    prompt: Messages
    text: str
    logprob: float


def reproduce(engine: ScoringEngine, answers: Sequence[LoggedAnswer]) -> list[bool | None]:
    """By which tokens the policy that wrote the answers meets their logged log-probabilities.

    True: those of the text and the end of sequence; False: those of the text alone, which the token limit cut off;
    None: neither, so that the model did not write this answer to this prompt, or by other tokens than its tokenizer
    makes of the text.
    """
    found: list[bool | None] = [None] * len(answers)
    for finished in (True, False):
        open_rows = [
            row
            for row, ending in enumerate(found)
            if ending is None and engine.tokens_of(answers[row].text, finished=finished)
        ]
        scores = score(engine, [answers[row] for row in open_rows], [finished] * len(open_rows))
        for row, value in zip(open_rows, scores, strict=True):
            if abs(value - answers[row].logprob) <= TOLERANCE:
                found[row] = finished
    return found


def score(
    engine: ScoringEngine,
    answers: Sequence[LoggedAnswer],
    finished: Sequence[bool],
    sampling: SamplingConfig | None = None,
) -> np.ndarray:
    """log pi(y | x) in nats of each answer, that of the model itself or, with `sampling`, of the draw under these
    settings: -inf for an answer that they never give."""
    tokens = [engine.tokens_of(answer.text, finished=end) for answer, end in zip(answers, finished, strict=True)]
    scores = engine.log_probabilities([answer.prompt for answer in answers], [[one] for one in tokens], sampling)
    return np.asarray([value for (value,) in scores], dtype=np.float64)
