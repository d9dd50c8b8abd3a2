"""Attention of many answers to one shared prompt, plugged into any Hugging Face model with an attention interface.

The keys and values of a prompt exist once, however many answers are decoded from it: a step reads them once per
prompt, not once per answer, and no padding token of a dropped answer is ever computed. The model's own code does
everything else; it hands queries, keys and values to `attend`, registered under the name `SHARED_PREFIX`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

SHARED_PREFIX = "llm_auction_shared_prefix"
FIRST_CAPACITY = 256  # tokens of its own that a row has room for at first


class AttentionState(Protocol):
    """What one forward pass knows about its rows; passed to the model as the keyword `shared_prefix`."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Attention output in the shape of `query` (batch, heads, length, head size)."""
        ...


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    *,
    shared_prefix: AttentionState,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention function that the model calls in place of its own; returns (batch, length, heads, head size)."""
    if scaling is None:
        scaling = query.shape[-1] ** -0.5
    output = shared_prefix.attend(module.layer_idx, query, key, value, scaling)
    return output.transpose(1, 2), None


def supports_shared_prefix(model: Any) -> bool:
    """Whether plain causal attention in every layer is all that the model's attention does.

    Sliding windows, recurrent layers, soft-capped scores or attention sinks need the model's own path.
    """
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    special = ("attn_logit_softcapping", "alibi", "attention_chunk_size")
    return (
        bool(getattr(model, "_supports_attention_backend", False))
        and set(layers) == {"full_attention"}
        and not any(getattr(config, name, None) for name in special)
        and not (getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True))
        and not any(name.endswith("sinks") for name, _ in model.named_parameters())
    )


def require_shared_prefix(model: Any) -> None:
    """Raise ValueError that names the model where `supports_shared_prefix` does not hold: it can't be trained."""
    if not supports_shared_prefix(model):
        raise ValueError(
            f"{type(model).__name__} has attention other than plain causal attention (sliding windows, recurrent "
            "layers or soft-capped scores), which prefix-shared DPO can't compute: choose another base model"
        )


def use_shared_prefix(model: Any) -> None:
    """Make the model call `attend`; from here on every forward needs the keyword `shared_prefix`."""
    from transformers import AttentionInterface

    AttentionInterface.register(SHARED_PREFIX, attend)
    model.set_attn_implementation(SHARED_PREFIX)


def repeat_heads(tensor: Tensor, groups: int) -> Tensor:
    """Key/value heads repeated to the number of query heads (grouped-query attention)."""
    return tensor if groups == 1 else tensor.repeat_interleave(groups, dim=1)


def _widened(tensor: Tensor, width: int) -> Tensor:
    """Zeros behind the last token of (prompts, heads, length, head size), up to `width` tokens."""
    return pad(tensor, (0, 0, 0, width - tensor.shape[2]))


class PromptState:
    """Prefill: causal attention over right-padded prompts, keeping every layer's keys and values.

    A token never sees what is to its right, so right padding needs no mask; the padded keys are hidden later.
    """

    def __init__(self) -> None:
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}

    @classmethod
    def joined(cls, parts: Sequence[PromptState]) -> PromptState:
        """One state of all the parts' prompts, in their order, padded to the longest; empties the parts.

        Layer by layer, so that no two copies of all prompts' keys and values exist at once.
        """
        width = max(part.keys[0].shape[2] for part in parts)
        state = cls()
        for layer in list(parts[0].keys):
            state.keys[layer] = torch.cat([_widened(part.keys.pop(layer), width) for part in parts])
            state.values[layer] = torch.cat([_widened(part.values.pop(layer), width) for part in parts])
        return state

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        self.keys[layer], self.values[layer] = key, value
        groups = query.shape[1] // key.shape[1]
        return scaled_dot_product_attention(
            query, repeat_heads(key, groups), repeat_heads(value, groups), is_causal=True, scale=scaling
        )


class DecodeState:
    """Decoding: one new token a row; row r attends to the prompt `prompt_of_R[r]` and to its own earlier tokens.

    Prompts have `slots` places each for their rows, so that one matrix product a prompt serves all its answers.
    The rows' own keys and values lie in buffers that double when they are full: few answers come near the most tokens
    that they may have. The keys and values of `prompts` are taken over, and it is left empty.
    """

    def __init__(self, prompts: PromptState, lengths: list[int], copies: int, capacity: int) -> None:
        some = prompts.keys[0]
        self._prompts, self._kv_heads, width, self._head_size = some.shape
        layers = list(prompts.keys)
        # Contiguous, or every step's matrix products would copy them.
        self._prompt_keys = {layer: prompts.keys.pop(layer).transpose(2, 3).contiguous() for layer in layers}
        self._prompt_values = {layer: prompts.values.pop(layer).contiguous() for layer in layers}
        columns = torch.arange(width, device=some.device)
        hidden = columns[None] >= torch.tensor(lengths, device=some.device)[:, None]
        self._bias = torch.zeros(hidden.shape, dtype=some.dtype, device=some.device).masked_fill(hidden, -torch.inf)
        self._padded = bool(hidden.any())
        rows = self._prompts * copies
        self._capacity = capacity
        shape = (rows, self._kv_heads, min(FIRST_CAPACITY, capacity), self._head_size)
        self._keys = {layer: some.new_empty(shape) for layer in layers}
        self._values = {layer: some.new_empty(shape) for layer in layers}
        self.filled = 0
        self._place(torch.arange(self._prompts, device=some.device).repeat_interleave(copies))

    def _place(self, prompt_of_R: Tensor) -> None:
        """Give every row a slot of its prompt; rows of a prompt are neighbours."""
        counts = torch.bincount(prompt_of_R, minlength=self._prompts)
        starts = counts.cumsum(0) - counts
        self.prompt_of_R = prompt_of_R
        self._slots = int(counts.max())
        within = torch.arange(len(prompt_of_R), device=prompt_of_R.device) - starts[prompt_of_R]
        self._slot_of_R = prompt_of_R * self._slots + within
        self._full = len(prompt_of_R) == self._prompts * self._slots

    def keep(self, rows: Tensor) -> None:
        """Drop every row but `rows` (ascending), and the prompts that no row is left of."""
        prompt_of_R = self.prompt_of_R[rows]
        alive = prompt_of_R.unique()
        for buffers in (self._keys, self._values):
            for layer, buffer in buffers.items():
                kept = buffer.new_empty((len(rows), *buffer.shape[1:]))
                kept[:, :, : self.filled] = buffer[rows, :, : self.filled]
                buffers[layer] = kept
        if len(alive) < self._prompts:
            for stored in (self._prompt_keys, self._prompt_values):
                for layer, tensor in stored.items():
                    stored[layer] = tensor[alive]
            self._bias = self._bias[alive]
            prompt_of_R = torch.searchsorted(alive, prompt_of_R)
            self._prompts = len(alive)
        self._place(prompt_of_R)

    def _widen(self, layer: int) -> None:
        """Room for twice as many of the rows' own tokens, at most for all of them."""
        for buffers in (self._keys, self._values):
            buffers[layer] = _widened(buffers[layer], min(2 * buffers[layer].shape[2], self._capacity))

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        rows, heads, _, size = query.shape
        groups, kv_heads, now = heads // self._kv_heads, self._kv_heads, self.filled
        if now == self._keys[layer].shape[2]:
            self._widen(layer)
        keys, values = self._keys[layer], self._values[layer]
        keys[:, :, now] = key[:, :, 0]
        values[:, :, now] = value[:, :, 0]
        query = (query * scaling).view(rows, kv_heads, groups, size)
        own = query.flatten(0, 1) @ keys.flatten(0, 1)[:, : now + 1].transpose(1, 2)
        own = own.view(rows, heads, now + 1)
        shared = self._shared_scores(layer, query)
        width = shared.shape[-1]
        weights = torch.cat([shared, own], dim=-1).softmax(-1)
        output = weights[..., width:].reshape(rows * kv_heads, groups, now + 1) @ values.flatten(0, 1)[:, : now + 1]
        mixed = output.view(rows, heads, size) + self._shared_output(layer, weights[..., :width])
        return mixed.view(rows, heads, 1, size)

    def _to_slots(self, rows: Tensor) -> Tensor:
        """(rows, kv heads, groups, x) -> (prompts, kv heads, slots x groups, x), zeros where a slot has no row."""
        if not self._full:
            placed = rows.new_zeros((self._prompts * self._slots, *rows.shape[1:]))
            placed[self._slot_of_R] = rows
            rows = placed
        rows = rows.view(self._prompts, self._slots, *rows.shape[1:]).transpose(1, 2)
        return rows.reshape(self._prompts, self._kv_heads, -1, rows.shape[-1])

    def _from_slots(self, slots: Tensor, groups: int) -> Tensor:
        """The inverse of `_to_slots`, with the heads joined: (rows, heads, x)."""
        slots = slots.view(self._prompts, self._kv_heads, self._slots, groups, -1).transpose(1, 2)
        rows = slots.reshape(self._prompts * self._slots, self._kv_heads * groups, -1)
        return rows if self._full else rows[self._slot_of_R]

    def _shared_scores(self, layer: int, query: Tensor) -> Tensor:
        scores = self._to_slots(query) @ self._prompt_keys[layer]
        if self._padded:
            scores = scores + self._bias[:, None, None]
        return self._from_slots(scores, query.shape[2])

    def _shared_output(self, layer: int, weights: Tensor) -> Tensor:
        rows, heads, width = weights.shape
        groups = heads // self._kv_heads
        placed = self._to_slots(weights.view(rows, self._kv_heads, groups, width))
        return self._from_slots(placed @ self._prompt_values[layer], groups)
