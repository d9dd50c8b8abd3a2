"""Attention over a packed sequence, tree by tree: each prompt to itself, its answers as a batch over the prompt's keys.

Not one masked attention over the whole sequence, most of whose scores would be thrown away. It runs anywhere, by
PyTorch's own `scaled_dot_product_attention`; prompts use its causal kernels. On a processor the answers of a prompt
read its keys where they lie (`two_part_attention`); elsewhere each answer gets a copy of them in front of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from llm_auction.generation.shared_prefix import repeat_heads
from llm_auction.generation.two_part_attention import (
    attend_in_two_parts,
    batch_of_answers,
    can_attend_in_two_parts,
    packed_answers,
)


@dataclass(frozen=True, slots=True)
class TreeShape:
    """Input tokens of a prompt and of each of its answers, which lie behind it."""

    prompt: int
    answers: tuple[int, ...]


@dataclass(frozen=True)
class _Tree:
    """`prompt` tokens of one prompt and the `own` input tokens of its answers, one behind the other.

    Answers are padded to one length for attention only: `padded_AT` are places among the answers' tokens, and
    `unpadded_N` says where those tokens lie in the flattened padded ones.
    """

    prompt: int
    own: int
    padded_AT: Tensor
    unpadded_N: Tensor

    @cached_property
    def mask_TS(self) -> Tensor:
        """What is added to the scores of padded answers behind their prompt."""
        longest = self.padded_AT.shape[1]
        hidden = self.padded_AT.new_ones((longest, longest), dtype=torch.bool).triu(1)
        # Padding lies to the right of every real token, so causality hides it.
        mask = torch.zeros((longest, self.prompt + longest), device=hidden.device)
        mask[:, self.prompt :].masked_fill_(hidden, -torch.inf)
        return mask


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
            if tree.own:
                parts.append(_attend_answers(tree, (prompt_key, prompt_value), own, scaling))
        return torch.cat(parts, dim=2)


def _attend_answers(
    tree: _Tree, prompt: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor, Tensor], scaling: float
) -> Tensor:
    query, key, value = own
    if can_attend_in_two_parts(query, key, value):
        return attend_in_two_parts(query, prompt, (key, value), tree.padded_AT, tree.unpadded_N, scaling)
    query, key, value = (batch_of_answers(part, tree.padded_AT) for part in own)
    output = scaled_dot_product_attention(
        query,
        _after_prompt(prompt[0], key),
        _after_prompt(prompt[1], value),
        attn_mask=tree.mask_TS.to(query.dtype),
        scale=scaling,
    )
    return packed_answers(output, tree.unpadded_N)


def _after_prompt(prompt: Tensor, answers: Tensor) -> Tensor:
    return torch.cat([prompt.expand(len(answers), -1, -1, -1), answers], dim=2)


def _tree(prompt: int, lengths: Sequence[int], device: torch.device | str) -> _Tree:
    sizes = torch.tensor(lengths, device=device)
    longest = max(lengths)
    steps = torch.arange(longest, device=device)
    begins = sizes.cumsum(0) - sizes
    real_AT = steps < sizes[:, None]
    return _Tree(
        prompt=prompt,
        own=sum(lengths),
        padded_AT=torch.where(real_AT, begins[:, None] + steps, 0),
        unpadded_N=real_AT.flatten().nonzero()[:, 0],
    )
