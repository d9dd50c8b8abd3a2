"""The floating-point operations that a DPO step needs: what its share of a device's peak is counted in.

Forward, a matrix of a layer takes 2 operations a parameter and token, the output layer 2 a parameter and scored token,
and attention 4 for each pair of a token and one that it sees, and each entry of a head; backward, twice that (PaLM,
arXiv 2204.02311, appendix B, with causal pairs only). Norms, softmax and what is computed again are left out, so that a
share of the peak is what useful products get.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

FORWARD_AND_BACKWARD = 3
# Operations of one product and sum; attention has two products, of queries with keys and of weights with values.
A_PARAMETER, A_PAIR = 2, 4


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens computed, tokens whose probability is wanted, and pairs of a token and one that it sees (itself too)."""

    tokens: int
    scored: int
    pairs: int


def shared_work(prompt: int, answer: int, answers: int) -> Work:
    """Of one prompt that is computed once, with each of its answers once."""
    pairs = _causal(prompt) + answers * (answer * prompt + _causal(answer))
    return Work(prompt + answers * answer, answers * answer, pairs)


def paired_work(prompt: int, answer: int, answers: int) -> Work:
    """Of the same as separate pairs: the prompt and the winner once more for every loser."""
    sequences = 2 * (answers - 1)
    return Work(sequences * (prompt + answer), sequences * answer, sequences * _causal(prompt + answer))


def operations(model: Any, work: Work) -> int:
    """Operations of one forward and backward pass of a Transformers model over `work`."""
    head = model.get_output_embeddings()
    layers = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    )
    config = model.config
    entries = config.num_hidden_layers * config.num_attention_heads * config.head_dim
    products = A_PARAMETER * (layers * work.tokens + head.weight.numel() * work.scored)
    return FORWARD_AND_BACKWARD * (products + A_PAIR * entries * work.pairs)


def _causal(tokens: int) -> int:
    return tokens * (tokens + 1) // 2
