"""Attention over keys that lie in two places, a shared prompt and the answer itself, as one softmax, without a copy.

Answers that are a batch of their own need the prompt's keys once each; here all of them read the same ones. Each part
is attended to for itself, and the two are weighted by what they contribute to the softmax's denominator (as blocks are
in FlashAttention, arXiv 2205.14135, section 3.1). Backward, either part's own kernel gives its exact share of the
gradients once it is told the output and the denominator of both together.

On a processor only. Its kernels have no public name there that tells the denominator: `scaled_dot_product_attention`
calls these ones and keeps it to itself, FlexAttention tells it and has no backward pass on a processor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def can_attend_in_two_parts(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether the kernels behind `attend_in_two_parts` take these, and lose nothing.

    In bfloat16 the outputs of the parts would be rounded before they are weighted.
    """
    exact = {query.dtype, key.dtype, value.dtype} == {torch.float32}
    return exact and query.device.type == "cpu" and query.shape[-1] == value.shape[-1]


def attend_in_two_parts(
    query: Tensor,
    prompt: tuple[Tensor, Tensor],
    own: tuple[Tensor, Tensor],
    padded_AT: Tensor,
    unpadded_N: Tensor,
    scaling: float,
) -> Tensor:
    """The attention output of the answers to one prompt, (1, heads, tokens, size) as `query`; differentiable.

    Args:
        query: of all answers' tokens, one answer behind the other.
        prompt: keys and values of the prompt, (1, heads, prompt tokens, size); every token sees all of them.
        own: keys and values of the answers' tokens; a token sees those of its answer up to itself.
        padded_AT: places of the answers' tokens, each answer padded to the longest on its right.
        unpadded_N: where the tokens lie in the flattened `padded_AT`.
        scaling: of the scores.
    """
    output: Tensor = _TwoPartAttention.apply(query, *prompt, *own, padded_AT, unpadded_N, scaling)
    return output


class _TwoPartAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        prompt_key: Tensor,
        prompt_value: Tensor,
        own_key: Tensor,
        own_value: Tensor,
        padded_AT: Tensor,
        unpadded_N: Tensor,
        scaling: float,
    ) -> Tensor:
        from_prompt, prompt_lse = _flash(query, prompt_key, prompt_value, scale=scaling)
        batch = [batch_of_answers(packed, padded_AT) for packed in (query, own_key, own_value)]
        from_own, own_lse = _flash(*batch, is_causal=True, scale=scaling)
        from_own, own_lse = packed_answers(from_own, unpadded_N), packed_answers(own_lse, unpadded_N)
        lse = torch.logaddexp(prompt_lse, own_lse)
        output = from_prompt * _share(prompt_lse, lse) + from_own * _share(own_lse, lse)
        ctx.save_for_backward(query, prompt_key, prompt_value, *batch, output, lse, unpadded_N)
        ctx.scaling = scaling
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, prompt_key, prompt_value, *batch, output, lse, unpadded_N = ctx.saved_tensors
        options = {"dropout_p": 0.0, "scale": ctx.scaling}
        by_prompt = _flash_backward(gradient, query, prompt_key, prompt_value, output, lse, is_causal=False, **options)
        answers, _, longest, _ = batch[0].shape

        def padded(packed: Tensor, filling: float) -> Tensor:
            whole = packed.new_full((packed.shape[1], answers * longest, *packed.shape[3:]), filling)
            whole[:, unpadded_N] = packed[0]
            return whole.unflatten(1, (answers, longest)).transpose(0, 1)

        # A denominator without end: what only fills a batch has no weight on any key.
        by_own = _flash_backward(
            padded(gradient, 0.0), *batch, padded(output, 0.0), padded(lse, torch.inf), is_causal=True, **options
        )
        query_own, key_own, value_own = (packed_answers(part, unpadded_N) for part in by_own)
        return by_prompt[0] + query_own, by_prompt[1], by_prompt[2], key_own, value_own, None, None, None


def _share(lse: Tensor, of_both: Tensor) -> Tensor:
    return (lse - of_both).exp()[..., None]


def batch_of_answers(packed: Tensor, padded_AT: Tensor) -> Tensor:
    """(1, heads, tokens, size) -> (answers, heads, longest answer, size)."""
    heads, size = packed.shape[1], packed.shape[3]
    return packed[0].index_select(1, padded_AT.flatten()).view(heads, *padded_AT.shape, size).transpose(0, 1)


def packed_answers(batch: Tensor, unpadded_N: Tensor) -> Tensor:
    """(answers, heads, longest answer, ...) -> (1, heads, tokens, ...)."""
    return batch.transpose(0, 1).flatten(1, 2)[:, unpadded_N][None]
