"""Prompts and their answers in one forward pass: every prompt computed once, every answer once, not one padding token.

All rows lie behind each other in a single sequence: prompt 1, its answers, prompt 2, its answers, and so on. Attention
follows a tree: an answer's token sees its prompt and its own earlier tokens, never a sibling's; its position goes on
from the end of the prompt. Everything but attention is blind to other tokens, so nothing else of the model changes.
The tree is not run as one masked attention over the whole sequence, most of whose scores would be thrown away: each
prompt attends to itself, and its answers form a batch over the prompt's keys. Gradients flow through both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from llm_auction.generation.shared_prefix import repeat_heads

Answers = Sequence[Sequence[int]]


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


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """The packed sequence, the positions whose logits are needed, and what each of them predicts.

    Target n is token `target_token_N[n]` of answer `answer_of_N[n]`, predicted at `logits_at_P[target_row_N[n]]`: the
    first tokens of a prompt's answers share one position. Answers are numbered through all prompts.
    """

    input_ids_1S: Tensor
    position_ids_1S: Tensor
    logits_at_P: Tensor
    target_row_N: Tensor
    target_token_N: Tensor
    answer_of_N: Tensor
    answers: int
    trees: tuple[_Tree, ...]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Tree attention over the packed sequence; see `shared_prefix.AttentionState`."""
        groups = query.shape[1] // key.shape[1]
        key, value = repeat_heads(key, groups), repeat_heads(value, groups)
        # One `split` each: a slice's gradient would be a tensor of zeros as long as the whole sequence, per slice.
        sizes = [size for tree in self.trees for size in (tree.prompt, tree.own)]
        segments = zip(query.split(sizes, 2), key.split(sizes, 2), value.split(sizes, 2), strict=True)
        parts = []
        for tree in self.trees:
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


def pack(rows: Sequence[tuple[Sequence[int], Answers]], device: torch.device | str = "cpu") -> PackedBatch:
    """Pack (prompt, answers) rows; every prompt and answer needs at least one token."""
    tokens: list[int] = []
    positions: list[int] = []
    logits_at: list[int] = []
    target_row: list[int] = []
    target_token: list[int] = []
    answer_of: list[int] = []
    trees: list[_Tree] = []
    count = 0
    for prompt, answers in rows:
        tokens += prompt
        positions += range(len(prompt))
        first = len(logits_at)
        logits_at.append(len(tokens) - 1)
        for answer in answers:
            inputs = len(answer) - 1  # the last token is only predicted, never read
            target_row += [first, *range(len(logits_at), len(logits_at) + inputs)]
            target_token += answer
            answer_of += [count] * len(answer)
            logits_at += range(len(tokens), len(tokens) + inputs)
            tokens += answer[:-1]
            positions += range(len(prompt), len(prompt) + inputs)
            count += 1
        trees.append(_tree(len(prompt), [len(answer) - 1 for answer in answers], device))

    def tensor(values: list[int]) -> Tensor:
        return torch.tensor(values, device=device)

    return PackedBatch(
        input_ids_1S=tensor(tokens)[None],
        position_ids_1S=tensor(positions)[None],
        logits_at_P=tensor(logits_at),
        target_row_N=tensor(target_row),
        target_token_N=tensor(target_token),
        answer_of_N=tensor(answer_of),
        answers=count,
        trees=tuple(trees),
    )


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


class Sized(Protocol):
    """A row that knows how many tokens it brings into a forward pass."""

    @property
    def tokens(self) -> int: ...


RowT = TypeVar("RowT", bound=Sized)


def micro_batches(rows: Sequence[RowT], tokens: int) -> Iterator[list[RowT]]:
    """Split a step's rows so that no forward pass holds more than `tokens` tokens, if its rows allow it."""
    batch: list[RowT] = []
    held = 0
    for row in rows:
        if batch and held + row.tokens > tokens:
            yield batch
            batch, held = [], 0
        batch.append(row)
        held += row.tokens
    if batch:
        yield batch


def sum_by_answer(batch: PackedBatch, values_N: Tensor) -> Tensor:
    """Sums of per-token values over each answer's tokens."""
    return values_N.new_zeros(batch.answers).index_add(0, batch.answer_of_N, values_N)
