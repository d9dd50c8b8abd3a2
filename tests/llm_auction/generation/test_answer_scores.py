"""Scores of packed answers are the same whether the output layer runs once or chunk by chunk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GraniteConfig, GraniteForCausalLM

from llm_auction.generation.answer_scores import output_layer, token_log_probabilities, token_scores
from llm_auction.generation.checkpoint import load_model
from llm_auction.generation.packed import PackedBatch, pack
from llm_auction.generation.scoring import score_packed
from llm_auction.generation.shared_prefix import use_shared_prefix
from llm_auction.profiles.schema import SamplingConfig


def _rows() -> list[tuple[list[int], list[list[int]]]]:
    rng = np.random.default_rng(0)
    lengths = [(20, [9, 1, 14]), (5, [3, 3]), (31, [22]), (8, [1, 6, 2, 4])]
    return [
        (rng.integers(3, 300, prompt).tolist(), [rng.integers(3, 300, answer).tolist() for answer in answers])
        for prompt, answers in lengths
    ]


@pytest.fixture
def model(model_dir: Path) -> Any:
    model = load_model(model_dir)
    use_shared_prefix(model)
    return model


def _scores_and_gradients(model: Any, batch: PackedBatch, **options: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.zero_grad()
    scores = token_log_probabilities(model, batch, **options)
    (scores * torch.linspace(-1, 1, len(scores))).sum().backward()
    return scores.detach(), [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("chunk_logits", [1, 5 * 320, 10**9])
def test_chunks_change_neither_values_nor_gradients(model: Any, chunk_logits: int) -> None:
    batch = pack(_rows())
    whole, expected = _scores_and_gradients(model, batch)
    scores, gradients = _scores_and_gradients(model, batch, head=output_layer(model), chunk_logits=chunk_logits)
    torch.testing.assert_close(scores, whole, rtol=1e-6, atol=1e-6)
    for ours, other in zip(gradients, expected, strict=True):
        assert (ours - other).norm() <= 1e-5 * other.norm()


def test_never_more_logits_than_a_chunk(model: Any) -> None:
    head, batch, seen = output_layer(model), pack(_rows()), []
    plain = torch.nn.functional.cross_entropy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "llm_auction.generation.answer_scores.cross_entropy",
            lambda logits, *rest, **options: (seen.append(len(logits)), plain(logits, *rest, **options))[1],
        )
        token_log_probabilities(model, batch, head, chunk_logits=7 * 320).sum().backward()
    assert max(seen) == 7 and sum(seen) == 2 * len(batch.target_token_N)  # again in the backward pass


def test_the_layer_is_itself_again_afterwards(model: Any) -> None:
    head = output_layer(model)
    assert head is model.lm_head

    def fails(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        raise FloatingPointError

    with pytest.raises(FloatingPointError):
        token_scores(model, pack(_rows()), fails, head)
    assert "forward" not in vars(head)


def test_logits_that_change_after_the_layer_are_needed_whole() -> None:
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    granite = GraniteForCausalLM(GraniteConfig(**size, num_key_value_heads=2, vocab_size=320, logits_scaling=8.0))
    use_shared_prefix(granite)
    assert output_layer(granite) is None


@pytest.mark.parametrize("sampling", [None, SamplingConfig(temperature=1.3, top_p=0.99, top_k=250)])
@torch.inference_mode()
def test_how_prompts_are_grouped_changes_no_score(model: Any, sampling: SamplingConfig | None) -> None:
    prompts, answers = zip(*_rows(), strict=True)
    head = output_layer(model)
    together = score_packed(model, prompts, answers, sampling, head)
    assert [len(scores) for scores in together] == [3, 2, 1, 4]
    for pass_tokens in (1, 30, 60):
        apart = score_packed(model, prompts, answers, sampling, head, pass_tokens)
        for scores, expected in zip(apart, together, strict=True):
            assert scores == pytest.approx(expected, rel=1e-5)


@torch.inference_mode()
def test_bfloat16_is_as_near_as_bfloat16_allows(model: Any) -> None:
    """The packed pass in bfloat16 is no further from float32 than twice what separate bfloat16 passes are."""
    rows = _rows()
    exact = token_log_probabilities(model, pack(rows))
    model.to(torch.bfloat16)
    packed = token_log_probabilities(model, pack(rows), output_layer(model))
    apart = torch.cat(
        [token_log_probabilities(model, pack([(prompt, [answer])])) for prompt, group in rows for answer in group]
    )
    assert (packed - exact).abs().mean() <= 2 * (apart - exact).abs().mean()
