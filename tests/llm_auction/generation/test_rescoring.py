"""Logged answers get the log-probability of the settings that drew them, and only where the log agrees."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from llm_auction.base import embedded_model_dir
from llm_auction.generation.protocol import Messages
from llm_auction.generation.rescoring import LoggedAnswer, candidate_log_probabilities, logged_log_probabilities
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig

PROMPT: Messages = [{"role": "user", "content": "What do I need for a trip on muddy trails?"}]
SAMPLING = SamplingConfig(max_new_tokens=40)


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return TransformersEngine(embedded_model_dir())


@pytest.fixture(scope="module")
def logged(engine: TransformersEngine) -> list[LoggedAnswer]:
    """Answers as a log keeps them, finished ones and one that the token limit cut."""
    (answers,) = engine.sample([PROMPT], 12, SAMPLING, seed=2)
    # A cut may fall where the tokenizer, reading the text, would not split: such an answer is not reproduced.
    kept = [a for a in answers if tuple(engine.tokens_of(a.text, finished=a.finished)) == a.token_ids]
    assert {answer.finished for answer in kept} == {True, False}
    return [LoggedAnswer(PROMPT, answer.text, len(answer.token_ids), answer.logprob) for answer in kept]


def test_the_policy_that_wrote_the_log_reproduces_it(engine: TransformersEngine, logged: list[LoggedAnswer]) -> None:
    scores = logged_log_probabilities(engine, logged, SAMPLING)
    assert np.isfinite(scores).all()
    # Truncation leaves fewer tokens to choose from: what was drawn was likelier than under the whole distribution.
    plain = logged_log_probabilities(engine, logged, SamplingConfig(temperature=1.0, top_p=1.0, top_k=0))
    assert plain == pytest.approx([answer.logprob for answer in logged], abs=0.01)
    assert not np.allclose(scores, plain)
    assert np.array_equal(candidate_log_probabilities(engine, logged, SAMPLING), scores)


def test_another_model_prompt_or_length_is_not_taken_for_the_logged_one(
    engine: TransformersEngine, logged: list[LoggedAnswer]
) -> None:
    first = logged[0]
    assert first.logprob is not None and first.tokens is not None
    others = [
        replace(first, logprob=first.logprob - 0.5),
        replace(first, tokens=first.tokens + 3),
        replace(first, prompt=[{"role": "user", "content": "How do I cook rice?"}]),
    ]
    assert np.isnan(logged_log_probabilities(engine, others, SAMPLING)).all()
    unknown = replace(first, logprob=None)
    assert np.isfinite(logged_log_probabilities(engine, [unknown], SAMPLING)).all()


def test_an_answer_that_the_settings_never_give_has_probability_zero(
    engine: TransformersEngine, logged: list[LoggedAnswer]
) -> None:
    greedy = SAMPLING.model_copy(update={"top_k": 1})
    scores = candidate_log_probabilities(engine, logged, greedy)
    assert set(np.unique(scores)) <= {-math.inf, 0.0}
    assert -math.inf in scores
    assert np.isnan(logged_log_probabilities(engine, logged, greedy)).any()
