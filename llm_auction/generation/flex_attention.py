"""Attention over a packed sequence as one FlexAttention kernel, whose block mask leaves out what no token sees.

For GPUs: `tree_attention` launches a few kernels a prompt, this one launches one for all of them. PyTorch has no
backward pass of FlexAttention on a CPU; forward it runs there, which is how the mask is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from llm_auction.generation.tree_attention import TreeShape

_PROMPT = -1  # stands where answers have their number


class FlexTreeAttention:
    """The attention of packed prompts and answers; the same function of its inputs as `SplitTreeAttention`."""

    def __init__(self, shapes: Sequence[TreeShape], device: torch.device | str) -> None:
        from torch.nn.attention.flex_attention import create_block_mask

        visible, length = tree_mask(shapes, device)
        self.block_mask = create_block_mask(visible, None, None, length, length, device=device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """See `shared_prefix.AttentionState`."""
        return _kernel(query.device.type)(
            query, key, value, block_mask=self.block_mask, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
        )


def tree_mask(shapes: Sequence[TreeShape], device: torch.device | str) -> tuple[Callable[..., Tensor], int]:
    """Whether the token at one place of the packed sequence sees that at another; and the sequence's length."""
    prompt_of: list[int] = []
    answer_of: list[int] = []
    answers = 0
    for number, shape in enumerate(shapes):
        prompt_of += [number] * (shape.prompt + sum(shape.answers))
        answer_of += [_PROMPT] * shape.prompt
        for length in shape.answers:
            answer_of += [answers] * length
            answers += 1
    prompt_of_S, answer_of_S = torch.tensor(prompt_of, device=device), torch.tensor(answer_of, device=device)

    def visible(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same_tree = prompt_of_S[query] == prompt_of_S[key]
        own_branch = (answer_of_S[key] == _PROMPT) | (answer_of_S[key] == answer_of_S[query])
        return same_tree & own_branch & (query >= key)

    return visible, len(prompt_of)


@cache
def _kernel(device: str) -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    # Steps have sequences of many lengths: dynamic, or each would be compiled anew.
    return flex_attention if device == "cpu" else torch.compile(flex_attention, dynamic=True)
