"""Logged answers get the log-probability of the settings that drew them, and only where the log agrees."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from llm_auction.base import embedded_model_dir
from llm_auction.generation.protocol import Messages
from llm_auction.generation.rescoring import LoggedAnswer, reproduce, score
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig

PROMPT: Messages = [{"role": "user", "content": "What do I need for a trip on muddy trails?"}]
SAMPLING = SamplingConfig(max_new_tokens=40)
WHOLE = SamplingConfig(temperature=1.0, top_p=1.0, top_k=0)


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return TransformersEngine(embedded_model_dir())


@pytest.fixture(scope="module")
def drawn(engine: TransformersEngine) -> list[tuple[LoggedAnswer, bool]]:
    """Answers as a log keeps them, and whether they had ended by themselves."""
    (answers,) = engine.sample([PROMPT], 12, SAMPLING, seed=2)
    # A cut may fall where the tokenizer, reading the text, would not split: such an answer is not reproduced.
    kept = [a for a in answers if tuple(engine.tokens_of(a.text, finished=a.finished)) == a.token_ids]
    assert {answer.finished for answer in kept} == {True, False}
    return [(LoggedAnswer(PROMPT, answer.text, answer.logprob), answer.finished) for answer in kept]


def test_the_policy_that_wrote_the_log_reproduces_it(
    engine: TransformersEngine, drawn: list[tuple[LoggedAnswer, bool]]
) -> None:
    logged, finished = [answer for answer, _ in drawn], [ending for _, ending in drawn]
    assert reproduce(engine, logged) == finished
    own = score(engine, logged, finished)
    assert own == pytest.approx([answer.logprob for answer in logged], abs=0.01)
    assert score(engine, logged, finished, WHOLE) == pytest.approx(own, abs=0.01)
    # What the settings leave of the distribution is likelier than under the whole of it.
    assert (score(engine, logged, finished, SAMPLING) > own).all()
    assert reproduce(engine, []) == []


def test_another_model_or_prompt_is_not_taken_for_the_logged_one(
    engine: TransformersEngine, drawn: list[tuple[LoggedAnswer, bool]]
) -> None:
    first, _ = drawn[0]
    others = [
        replace(first, logprob=first.logprob - 0.5),
        replace(first, prompt=[{"role": "user", "content": "How do I cook rice?"}]),
        replace(first, text=""),
    ]
    assert reproduce(engine, others) == [None, None, None]


def test_an_answer_that_the_settings_never_give_has_probability_zero(
    engine: TransformersEngine, drawn: list[tuple[LoggedAnswer, bool]]
) -> None:
    logged, finished = [answer for answer, _ in drawn], [ending for _, ending in drawn]
    scores = score(engine, logged, finished, SAMPLING.model_copy(update={"top_k": 1}))
    assert set(np.unique(scores)) <= {-math.inf, 0.0}
    assert -math.inf in scores
