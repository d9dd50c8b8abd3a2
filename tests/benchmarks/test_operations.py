"""The work of a DPO step, counted."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from tests.benchmarks.operations import Work, operations, paired_work, shared_work


def test_a_shared_prompt_is_computed_once_and_sees_only_itself() -> None:
    # Prompt 1+2+3 pairs; each of two answers' tokens sees the prompt (3 each) and its own answer up to it (1+2).
    assert shared_work(3, 2, 2) == Work(tokens=7, scored=4, pairs=6 + 2 * (2 * 3 + 3))


def test_pairs_compute_prompt_and_winner_for_every_loser() -> None:
    assert paired_work(3, 2, 3) == Work(tokens=4 * 5, scored=4 * 2, pairs=4 * 15)


def test_operations_are_those_of_matrices_and_attention() -> None:
    """Matrices as PyTorch's own counter has them, the output layer at scored tokens only."""
    from torch.utils.flop_counter import FlopCounterMode

    layer, head = torch.nn.Linear(8, 12, bias=False), torch.nn.Linear(8, 20, bias=False)
    model = torch.nn.ModuleList([layer, head])
    model.get_output_embeddings = lambda: head
    model.config = SimpleNamespace(num_hidden_layers=2, num_attention_heads=3, head_dim=4)
    with FlopCounterMode(display=False) as counter:
        inputs = torch.rand(7, 8, requires_grad=True)
        (layer(inputs).sum() + head(inputs[3:]).sum()).backward()
    assert operations(model, Work(tokens=7, scored=4, pairs=0)) == counter.get_total_flops()
    assert operations(model, Work(tokens=0, scored=0, pairs=5)) == 3 * 4 * (2 * 3 * 4) * 5
