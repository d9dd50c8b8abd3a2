"""The engine draws the same answers however they are batched, and reports their true log-probabilities."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig

WORDS = "plan trip good way boots look bid title cooking music garden".split()
PROMPTS: list[Messages] = [[{"role": "user", "content": " ".join(WORDS[: 2 + 3 * (index % 4)])}] for index in range(6)]
SAMPLING = SamplingConfig(temperature=0.9, top_p=0.95, top_k=50, max_new_tokens=24, rows_per_batch=12)


@pytest.fixture(scope="module")
def engine(model_dir: Path) -> TransformersEngine:
    engine = TransformersEngine(model_dir)
    _end_often(engine)
    return engine


def _end_often(engine: TransformersEngine) -> None:
    """A random model hardly ever ends an answer: let more tokens count as the end."""
    engine._eos = torch.arange(0, 40)


def _ids(answers: list[list[GeneratedAnswer]]) -> list[list[tuple[int, ...]]]:
    return [[answer.token_ids for answer in group] for group in answers]


def test_answers_end_and_differ(engine: TransformersEngine) -> None:
    answers = engine.sample(PROMPTS, 4, SAMPLING, seed=1)
    assert [len(group) for group in answers] == [4] * 6
    flat = [answer for group in answers for answer in group]
    assert any(answer.finished for answer in flat) and any(not answer.finished for answer in flat)
    for answer in flat:
        assert answer.finished == (answer.token_ids[-1] < 40)
        assert all(token >= 40 for token in answer.token_ids[:-1])
        assert answer.finished or len(answer.token_ids) == SAMPLING.max_new_tokens
    assert len({answer.token_ids for answer in flat}) > 12


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_batching_changes_nothing(engine: TransformersEngine, rows: int) -> None:
    expected = engine.sample(PROMPTS, 4, SAMPLING, seed=1)
    other = engine.sample(PROMPTS, 4, SAMPLING.model_copy(update={"rows_per_batch": rows}), seed=1)
    assert _ids(other) == _ids(expected)
    more = engine.sample(PROMPTS, 6, SAMPLING, seed=1)
    assert [group[:4] for group in _ids(more)] == _ids(expected)


def test_reading_prompts_in_parts_changes_nothing(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = engine.sample(PROMPTS, 4, SAMPLING, seed=1)
    monkeypatch.setattr("llm_auction.generation.decoders.PREFILL_TOKENS", 1)
    apart = engine.sample(PROMPTS, 4, SAMPLING, seed=1)
    assert _ids(apart) == _ids(expected)
    assert [a.logprob for group in apart for a in group] == pytest.approx(
        [a.logprob for group in expected for a in group], rel=1e-4
    )


def test_room_that_grows_changes_nothing(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = engine.sample(PROMPTS, 4, SAMPLING, seed=1)
    monkeypatch.setattr("llm_auction.generation.shared_prefix.FIRST_CAPACITY", 5)
    grown = engine.sample(PROMPTS, 4, SAMPLING, seed=1)
    assert max(len(ids) for group in _ids(grown) for ids in group) == SAMPLING.max_new_tokens
    assert _ids(grown) == _ids(expected)


def test_the_seed_decides(engine: TransformersEngine) -> None:
    first = _ids(engine.sample(PROMPTS, 2, SAMPLING, seed=1))
    assert _ids(engine.sample(PROMPTS, 2, SAMPLING, seed=1)) == first
    assert _ids(engine.sample(PROMPTS, 2, SAMPLING, seed=2)) != first


def test_the_models_own_cache_draws_the_same(engine: TransformersEngine, model_dir: Path) -> None:
    plain = TransformersEngine(model_dir, share_prefix=False)
    _end_often(plain)
    shared = engine.sample(PROMPTS, 4, SAMPLING, seed=3)
    other = plain.sample(PROMPTS, 4, SAMPLING, seed=3)
    assert _ids(other) == _ids(shared)
    for group, twins in zip(shared, other, strict=True):
        assert [a.logprob for a in group] == pytest.approx([b.logprob for b in twins], rel=1e-4)


def test_log_probabilities_are_those_of_a_plain_forward(engine: TransformersEngine, model_dir: Path) -> None:
    answers = engine.sample(PROMPTS, 3, SAMPLING, seed=4)
    model = TransformersEngine(model_dir, share_prefix=False).model
    scored = engine.log_probabilities(PROMPTS, _ids(answers))
    for prompt, group, scores in zip(engine.encode(PROMPTS), answers, scored, strict=True):
        for answer, score in zip(group, scores, strict=True):
            with torch.inference_mode():
                logits = model(torch.tensor([[*prompt, *answer.token_ids]])).logits[0].double().log_softmax(-1)
            tokens = torch.tensor(answer.token_ids)
            expected = logits[len(prompt) - 1 : -1].gather(1, tokens[:, None]).sum().item()
            assert answer.logprob == pytest.approx(expected, rel=1e-5)
            assert score == pytest.approx(expected, rel=1e-5)


def test_progress_counts_answers(engine: TransformersEngine) -> None:
    seen: list[tuple[int, int]] = []
    engine.sample(PROMPTS, 4, SAMPLING, 0, lambda done, total: seen.append((done, total)))
    assert seen == [(12, 24), (24, 24)]


def test_no_prompts(engine: TransformersEngine) -> None:
    assert engine.sample([], 4, SAMPLING, 0) == []


def test_context_too_short_says_by_how_much(engine: TransformersEngine) -> None:
    prompt_tokens = max(map(len, engine.encode(PROMPTS)))
    sampling = SAMPLING.model_copy(update={"max_new_tokens": 4096 - prompt_tokens + 7})
    with pytest.raises(ValueError, match="context of 4096 tokens is 7 tokens too short"):
        engine.sample(PROMPTS, 1, sampling, 0)


def test_at_least_one_answer(engine: TransformersEngine) -> None:
    with pytest.raises(ValueError, match="answers_per_prompt"):
        engine.sample(PROMPTS, 0, SAMPLING, 0)
