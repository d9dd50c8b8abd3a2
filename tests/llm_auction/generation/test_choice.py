"""Choosing a token draws from exactly the distribution that the settings name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from llm_auction.generation.choice import choose_tokens, sampling_log_probabilities
from llm_auction.generation.noise import answer_uniforms
from llm_auction.profiles.schema import SamplingConfig


@pytest.mark.parametrize(
    ("temperature", "top_p", "top_k"), [(0.7, 0.8, 20), (1.0, 1.0, 0), (1.5, 0.9, 5), (0.7, 1.0, 3), (0.5, 0.3, 0)]
)
def test_frequencies_match_hugging_face_warpers(temperature: float, top_p: float, top_k: int) -> None:
    sampling = SamplingConfig(temperature=temperature, top_p=top_p, top_k=top_k)
    logits = torch.randn(30, generator=torch.Generator().manual_seed(1)) * 2
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    expected = warpers(torch.zeros(1, 1, dtype=torch.long), logits[None].clone())[0].softmax(-1)

    draws = 20_000
    grid = (torch.arange(draws) + 0.5) / draws  # every quantile once: frequencies without sampling noise
    tokens, logprobs = choose_tokens(logits.expand(draws, -1), grid, sampling)

    torch.testing.assert_close(torch.bincount(tokens, minlength=30) / draws, expected, atol=2 / draws, rtol=0)
    torch.testing.assert_close(logprobs, logits.log_softmax(-1)[tokens])


def test_extreme_uniforms_choose_a_kept_token() -> None:
    logits = torch.tensor([[5.0, 4.0, -50.0, -60.0]]).expand(2, -1)
    tokens, _ = choose_tokens(logits, torch.tensor([0.0, 1.0]), SamplingConfig(top_p=0.9, top_k=0))
    assert tokens.tolist() == [0, 1]


def test_noise_of_an_answer_is_its_own() -> None:
    together = answer_uniforms(7, [(0, 0), (0, 1), (3, 0)], 50)
    assert together.shape == (3, 50)
    assert together.min() >= 0 and together.max() < 1
    np.testing.assert_array_equal(answer_uniforms(7, [(3, 0)], 50)[0], together[2])
    np.testing.assert_array_equal(answer_uniforms(7, [(0, 1)], 20)[0], together[1, :20])
    assert not np.array_equal(together[0], together[1])
    assert not np.array_equal(answer_uniforms(8, [(0, 0)], 50)[0], together[0])


@pytest.mark.parametrize(("temperature", "top_p", "top_k"), [(0.7, 0.8, 20), (1.0, 1.0, 0), (0.5, 0.3, 0)])
def test_the_sampling_log_probability_is_that_of_the_draw(temperature: float, top_p: float, top_k: int) -> None:
    sampling = SamplingConfig(temperature=temperature, top_p=top_p, top_k=top_k)
    logits = torch.randn(30, generator=torch.Generator().manual_seed(1)) * 2
    draws = 20_000
    grid = (torch.arange(draws) + 0.5) / draws
    tokens, _ = choose_tokens(logits.expand(draws, -1), grid, sampling)
    frequencies = torch.bincount(tokens, minlength=30) / draws
    stated = sampling_log_probabilities(logits.expand(30, -1), torch.arange(30), sampling).exp()
    torch.testing.assert_close(stated, frequencies, atol=2 / draws, rtol=0)
