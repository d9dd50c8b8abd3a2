"""Prompts and their answers in one forward pass: every prompt computed once, every answer once, not one padding token.

All rows lie behind each other in a single sequence: prompt 1, its answers, prompt 2, its answers, and so on. Attention
follows a tree: an answer's token sees its prompt and its own earlier tokens, never a sibling's; its position goes on
from the end of the prompt. Everything but attention is blind to other tokens, so nothing else of the model changes.
How the tree is computed is `tree_attention` or, on a GPU, `flex_attention`; gradients flow through both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from llm_auction.generation.flex_attention import FlexTreeAttention
from llm_auction.generation.shared_prefix import AttentionState
from llm_auction.generation.tree_attention import SplitTreeAttention, TreeShape

Answers = Sequence[Sequence[int]]
TreeAttentionName = Literal["split", "flex"]
ATTENTIONS: dict[TreeAttentionName, type[SplitTreeAttention] | type[FlexTreeAttention]] = {
    "split": SplitTreeAttention,
    "flex": FlexTreeAttention,
}


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
    attention: AttentionState


def pack(
    rows: Sequence[tuple[Sequence[int], Answers]],
    device: torch.device | str = "cpu",
    attention: TreeAttentionName = "split",
) -> PackedBatch:
    """Pack (prompt, answers) rows; every prompt and answer needs at least one token.

    `attention` chooses how the tree is computed: "split" (`tree_attention`, anywhere) or "flex" (`flex_attention`).
    """
    tokens: list[int] = []
    positions: list[int] = []
    logits_at: list[int] = []
    target_row: list[int] = []
    target_token: list[int] = []
    answer_of: list[int] = []
    shapes: list[TreeShape] = []
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
        shapes.append(TreeShape(len(prompt), tuple(len(answer) - 1 for answer in answers)))

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
        attention=ATTENTIONS[attention](shapes, device),
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


def split_further(batches: Sequence[list[RowT]], count: int) -> list[list[RowT]]:
    """The same rows in the same order in `count` batches, the fullest halved first.

    Raises:
        ValueError: there are more batches already, or fewer rows.
    """
    if not len(batches) <= count <= sum(map(len, batches)):
        raise ValueError(f"{sum(map(len, batches))} rows in {len(batches)} batches can't be split into {count}")
    split = list(batches)
    while len(split) < count:
        number = max(range(len(split)), key=lambda at: len(split[at]))
        batch = split[number]
        split[number : number + 1] = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
    return split


def sum_by_answer(batch: PackedBatch, values_N: Tensor) -> Tensor:
    """Sums of per-token values over each answer's tokens."""
    return values_N.new_zeros(batch.answers).index_add(0, batch.answer_of_N, values_N)
