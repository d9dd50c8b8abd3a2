"""Attention over a packed sequence, tree by tree: each prompt to itself, its answers as a batch over the prompt's keys.

Not one masked attention over the whole sequence, most of whose scores would be thrown away. It runs anywhere, by
PyTorch's own `scaled_dot_product_attention`; prompts use its causal kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from llm_auction.generation.shared_prefix import repeat_heads


@dataclass(frozen=True, slots=True)
class TreeShape:
    """Input tokens of a prompt and of each of its answers, which lie behind it."""

    prompt: int
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Tree:
    """`prompt` tokens of one prompt and the `own` input tokens of its answers, one behind the other.

    Answers are padded to one length for attention only: `padded_AT` are places among the answers' tokens, and
    `unpadded_N` says where those tokens lie in the flattened padded ones. `mask_TS` is added to the scores.
    """

    prompt: int
    own: int
    padded_AT: Tensor
    unpadded_N: Tensor
    mask_TS: Tensor


class SplitTreeAttention:
    """The attention of packed prompts and answers; exact, forward and backward."""

    def __init__(self, shapes: Sequence[TreeShape], device: torch.device | str) -> None:
        self._trees = [_tree(shape.prompt, shape.answers, device) for shape in shapes]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """See `shared_prefix.AttentionState`."""
        groups = query.shape[1] // key.shape[1]
        key, value = repeat_heads(key, groups), repeat_heads(value, groups)
        # One `split` each: a slice's gradient would be a tensor of zeros as long as the whole sequence, per slice.
        sizes = [size for tree in self._trees for size in (tree.prompt, tree.own)]
        segments = zip(query.split(sizes, 2), key.split(sizes, 2), value.split(sizes, 2), strict=True)
        parts = []
        for tree in self._trees:
            (prompt_query, prompt_key, prompt_value), own = next(segments), next(segments)
            parts.append(
                scaled_dot_product_attention(prompt_query, prompt_key, prompt_value, is_causal=True, scale=scaling)
            )
            if not tree.own:
                continue
            own_query, own_key, own_value = (_batch_of_answers(packed, tree.padded_AT) for packed in own)
            output = scaled_dot_product_attention(
                own_query,
                _after_prompt(prompt_key, own_key),
                _after_prompt(prompt_value, own_value),
                attn_mask=tree.mask_TS.to(query.dtype),
                scale=scaling,
            )
            parts.append(output.transpose(0, 1).flatten(1, 2)[:, tree.unpadded_N][None])
        return torch.cat(parts, dim=2)


def _batch_of_answers(packed: Tensor, padded_AT: Tensor) -> Tensor:
    """(1, heads, tokens, size) -> (answers, heads, longest answer, size)."""
    heads, size = packed.shape[1], packed.shape[3]
    return packed[0].index_select(1, padded_AT.flatten()).view(heads, *padded_AT.shape, size).transpose(0, 1)


def _after_prompt(prompt: Tensor, answers: Tensor) -> Tensor:
    return torch.cat([prompt.expand(len(answers), -1, -1, -1), answers], dim=2)


def _tree(prompt: int, lengths: Sequence[int], device: torch.device | str) -> _Tree:
    sizes = torch.tensor(lengths, device=device)
    longest = max(lengths)
    steps = torch.arange(longest, device=device)
    begins = sizes.cumsum(0) - sizes
    real_AT = steps < sizes[:, None]
    hidden = steps[None] > steps[:, None]  # padding lies to the right of every real token, so causality hides it
    own = torch.zeros((longest, longest), device=device).masked_fill(hidden, -torch.inf)
    return _Tree(
        prompt=prompt,
        own=sum(lengths),
        padded_AT=torch.where(real_AT, begins[:, None] + steps, 0),
        unpadded_N=real_AT.flatten().nonzero()[:, 0],
        mask_TS=torch.cat([own.new_zeros((longest, prompt)), own], dim=1),
    )
