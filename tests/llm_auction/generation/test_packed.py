"""The packed forward pass equals separate forwards, in values and in gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from llm_auction.generation.answer_scores import token_log_probabilities
from llm_auction.generation.checkpoint import load_model
from llm_auction.generation.packed import pack, sum_by_answer
from llm_auction.generation.shared_prefix import use_shared_prefix

Rows = list[tuple[list[int], list[list[int]]]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    rng = np.random.default_rng(0)

    def tokens(length: int) -> list[int]:
        return rng.integers(3, 300, length).tolist()

    lengths = [(40, [30, 1, 17]), (7, [1]), (1, [5, 9]), (90, [60, 60])]
    return [(tokens(prompt), [tokens(answer) for answer in answers]) for prompt, answers in lengths]


def _separately(model: torch.nn.Module, rows: Rows) -> torch.Tensor:
    sums = []
    for prompt, answers in rows:
        for answer in answers:
            logits = model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
            sums.append(logits[len(prompt) - 1 : -1].gather(1, torch.tensor(answer)[:, None]).sum())
    return torch.stack(sums)


def test_equals_separate_forwards(model_dir: Path, rows: Rows) -> None:
    plain, shared = load_model(model_dir), load_model(model_dir)
    use_shared_prefix(shared)
    batch = pack(rows)
    packed = sum_by_answer(batch, token_log_probabilities(shared, batch))
    expected = _separately(plain, rows)
    torch.testing.assert_close(packed, expected, rtol=1e-6, atol=0)

    weights = torch.linspace(-1, 1, batch.answers)  # a different gradient for every answer
    (packed * weights).sum().backward()
    (expected * weights).sum().backward()
    for ours, theirs in zip(shared.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None and theirs.grad is not None
        assert (ours.grad - theirs.grad).norm() <= 1e-5 * theirs.grad.norm()


def test_siblings_and_order_do_not_matter(model_dir: Path, rows: Rows) -> None:
    model = load_model(model_dir)
    use_shared_prefix(model)
    prompt, answers = rows[0]

    def sums(group: list[list[int]]) -> torch.Tensor:
        batch = pack([(prompt, group)])
        with torch.inference_mode():
            return sum_by_answer(batch, token_log_probabilities(model, batch))

    together = sums(answers)
    torch.testing.assert_close(sums(answers[::-1]).flip(0), together, rtol=1e-6, atol=0)
    torch.testing.assert_close(sums(answers[2:]), together[2:], rtol=1e-6, atol=0)
    changed = sums([[*answers[0][:-1], 5], *answers[1:]])
    torch.testing.assert_close(changed[1:], together[1:], rtol=1e-6, atol=0)


def test_nothing_is_computed_twice(rows: Rows) -> None:
    batch = pack(rows)
    inputs = sum(len(prompt) + sum(len(answer) - 1 for answer in answers) for prompt, answers in rows)
    assert batch.input_ids_1S.shape == (1, inputs)
    assert len(batch.logits_at_P) == inputs - sum(len(prompt) - 1 for prompt, _ in rows)
