"""Decoding many answers from a batch of prompts, one token a step: the two ways in which we can run a model.

`SharedPrefixDecoder` keeps every prompt's keys and values once and is the fast one; `CacheDecoder` uses the model's
own cache and attention, and so works for any causal model of Hugging Face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from llm_auction.generation.shared_prefix import DecodeState, PromptState

# Prompts are read in parts of about so many tokens: what a layer makes of more leaves a processor's cache, and costs
# twice the time.
PREFILL_TOKENS = 4096


class Decoder(Protocol):
    """One batch of prompts and its live rows, grouped by prompt."""

    def start(self, prompts: Sequence[Sequence[int]], copies: int, max_new_tokens: int) -> Tensor:
        """Read the prompts; the logits of every row's first token, `copies` rows a prompt."""
        ...

    def step(self, tokens_R: Tensor) -> Tensor:
        """Append one token to every live row; the logits of the next."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Drop every live row but `rows` (ascending indices)."""
        ...


def pad(sequences: Sequence[Sequence[int]], *, left: bool, filler: int) -> Tensor:
    """One row a sequence, padded with `filler` to the longest."""
    width = max(map(len, sequences))
    rows = [
        [filler] * (width - len(row)) + list(row) if left else list(row) + [filler] * (width - len(row))
        for row in sequences
    ]
    return torch.tensor(rows)


class SharedPrefixDecoder:
    """For models with plain causal attention (`supports_shared_prefix`), after `use_shared_prefix(model)`."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def start(self, prompts: Sequence[Sequence[int]], copies: int, max_new_tokens: int) -> Tensor:
        lengths = [len(prompt) for prompt in prompts]
        at_once = max(1, PREFILL_TOKENS // max(lengths))
        parts = [self._read(prompts[first : first + at_once]) for first in range(0, len(prompts), at_once)]
        logits = torch.cat([logits for logits, _ in parts])
        state = PromptState.joined([state for _, state in parts])
        self._state = DecodeState(state, lengths, copies, max_new_tokens)
        self._length_of_R = torch.tensor(lengths, device=logits.device).repeat_interleave(copies)
        return logits.repeat_interleave(copies, dim=0)

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, PromptState]:
        """Prefill: the logits behind each of some prompts, and their keys and values."""
        tokens = pad(prompts, left=False, filler=0).to(self._model.device)
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=tokens.device)
        ends, end_of_prompt = last.unique(return_inverse=True)
        state = PromptState()
        # Logits only where some prompt ends: prompts come sorted by length, so those are few.
        logits = self._model(tokens, use_cache=False, logits_to_keep=ends, shared_prefix=state).logits
        return logits[torch.arange(len(prompts)), end_of_prompt], state

    def step(self, tokens_R: Tensor) -> Tensor:
        positions = self._length_of_R + self._state.filled
        logits = self._model(
            tokens_R[:, None], position_ids=positions[:, None], use_cache=False, shared_prefix=self._state
        ).logits
        self._state.filled += 1
        return logits[:, 0]

    def keep(self, rows: Tensor) -> None:
        self._state.keep(rows)
        self._length_of_R = self._length_of_R[rows]


class CacheDecoder:
    """For every other causal model: its own cache, expanded to the answers, over left-padded prompts."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def start(self, prompts: Sequence[Sequence[int]], copies: int, max_new_tokens: int) -> Tensor:
        from transformers import DynamicCache

        tokens = pad(prompts, left=True, filler=0).to(self._model.device)
        mask = torch.tensor([[len(prompt)] for prompt in prompts], device=tokens.device)
        mask = (torch.arange(tokens.shape[1], 0, -1, device=tokens.device)[None] <= mask).long()
        self._cache = DynamicCache(config=self._model.config)
        logits = self._model(
            tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        self._cache.batch_repeat_interleave(copies)
        self._mask_RT = mask.repeat_interleave(copies, dim=0)
        return logits.repeat_interleave(copies, dim=0)

    def step(self, tokens_R: Tensor) -> Tensor:
        self._mask_RT = torch.cat([self._mask_RT, self._mask_RT.new_ones((len(tokens_R), 1))], dim=1)
        return self._model(
            tokens_R[:, None],
            attention_mask=self._mask_RT,
            position_ids=self._mask_RT.sum(-1, keepdim=True) - 1,
            past_key_values=self._cache,
            use_cache=True,
        ).logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask_RT = self._mask_RT[rows]
