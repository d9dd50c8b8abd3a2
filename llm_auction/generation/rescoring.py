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
    """One answer of a log. `tokens` is its length with the end of sequence, `logprob` as in `GeneratedAnswer`; None
    where the log does not say."""

    prompt: Messages
    text: str
    tokens: int | None = None
    logprob: float | None = None


def logged_log_probabilities(
    engine: ScoringEngine, answers: Sequence[LoggedAnswer], sampling: SamplingConfig
) -> np.ndarray:
    """log mu(y | x) in nats under the policy and the settings that wrote the answers.

    NaN where that is not reproduced: the tokenizer splits the text in another number of tokens than were sampled, the
    model's own log-probability is not the logged one, or the settings never give the answer.
    """
    tokens = [_tokens(engine, answer) for answer in answers]
    own = _score(engine, answers, tokens, None)
    drawn = _score(engine, answers, tokens, sampling)
    logged = np.asarray([np.nan if answer.logprob is None else answer.logprob for answer in answers])
    length = np.asarray(
        [answer.tokens is None or answer.tokens == len(t) for answer, t in zip(answers, tokens, strict=True)]
    )
    same = np.isnan(logged) | (np.abs(own - logged) <= TOLERANCE)
    return np.where(length & same & np.isfinite(drawn), drawn, np.nan)


def candidate_log_probabilities(
    engine: ScoringEngine, answers: Sequence[LoggedAnswer], sampling: SamplingConfig
) -> np.ndarray:
    """log pi(y | x) in nats of the same answers under another policy; -inf where its settings never give one."""
    return _score(engine, answers, [_tokens(engine, answer) for answer in answers], sampling)


def _tokens(engine: ScoringEngine, answer: LoggedAnswer) -> list[int]:
    """The answer's tokens; an answer whose log counts no end of sequence was cut off by the token limit."""
    finished = engine.tokens_of(answer.text)
    return finished[:-1] if answer.tokens == len(finished) - 1 and len(finished) > 1 else finished


def _score(
    engine: ScoringEngine,
    answers: Sequence[LoggedAnswer],
    tokens: Sequence[Sequence[int]],
    sampling: SamplingConfig | None,
) -> np.ndarray:
    prompts = [answer.prompt for answer in answers]
    scores = engine.log_probabilities(prompts, [[one] for one in tokens], sampling)
    return np.asarray([score for (score,) in scores], dtype=np.float64)
