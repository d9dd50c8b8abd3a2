"""log pi(answer | prompt) of answers that are given: the forward pass of training, without its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from llm_auction.generation.answer_scores import token_log_probabilities, token_scores
from llm_auction.generation.choice import sampling_log_probabilities
from llm_auction.generation.packed import micro_batches, pack, sum_by_answer
from llm_auction.profiles.schema import SamplingConfig

PASS_TOKENS = 8192  # of prompts and answers together, in one forward pass

TokenIds = Sequence[int]


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that knows its size, for `micro_batches`."""

    token_ids: TokenIds

    @property
    def tokens(self) -> int:
        return len(self.token_ids)


@dataclass(frozen=True, slots=True)
class _Row:
    """Prompt number `index` with some of its answers."""

    index: int
    prompt: TokenIds
    answers: Sequence[TokenIds]

    @property
    def tokens(self) -> int:
        return len(self.prompt) + sum(map(len, self.answers))


def score_packed(
    model: Any,
    prompts: Sequence[TokenIds],
    answers: Sequence[Sequence[TokenIds]],
    sampling: SamplingConfig | None,
    head: Any | None,
    pass_tokens: int = PASS_TOKENS,
) -> list[list[float]]:
    """Nats of every answer to every prompt; many prompts in one forward pass, each with its answers behind it.

    Args:
        model: after `use_shared_prefix`.
        prompts: token ids.
        answers: those to each prompt, token ids, at least one each.
        sampling: scores the draw under these settings, -inf for what they never give; None: the model itself.
        head: the model's `output_layer`.
        pass_tokens: a prompt is read again only where it and its answers are more than that.
    """
    rows = [
        _Row(index, prompt, [answer.token_ids for answer in part])
        for index, (prompt, group) in enumerate(zip(prompts, answers, strict=True))
        for part in micro_batches([_Answer(answer) for answer in group], pass_tokens - len(prompt))
    ]
    values: list[list[float]] = [[] for _ in prompts]
    for part in micro_batches(rows, pass_tokens):
        batch = pack([(row.prompt, row.answers) for row in part], model.device)
        if sampling is None:
            chosen = token_log_probabilities(model, batch, head)
        else:
            chosen = token_scores(model, batch, partial(sampling_log_probabilities, sampling=sampling), head)
        sums = iter(sum_by_answer(batch, chosen).tolist())
        for row in part:
            values[row.index] += [next(sums) for _ in row.answers]
    return values


def score_apart(
    model: Any,
    prompts: Sequence[TokenIds],
    answers: Sequence[Sequence[TokenIds]],
    sampling: SamplingConfig | None,
) -> list[list[float]]:
    """As `score_packed`, in one forward pass an answer: for models whose attention can't share a prefix."""
    return [
        [_alone(model, prompt, answer, sampling) for answer in group]
        for prompt, group in zip(prompts, answers, strict=True)
    ]


def _alone(model: Any, prompt: TokenIds, answer: TokenIds, sampling: SamplingConfig | None) -> float:
    tokens = torch.tensor([[*prompt, *answer]], device=model.device)
    logits = model(tokens, use_cache=False, logits_to_keep=len(answer) + 1).logits[0, :-1].float()
    targets = tokens[0, len(prompt) :]
    if sampling is None:
        return -cross_entropy(logits, targets, reduction="sum").item()
    return sampling_log_probabilities(logits, targets, sampling).sum().item()
