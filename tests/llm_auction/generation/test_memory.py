"""Out of memory is one clear error that says what to lower."""

from __future__ import annotations

import pytest
import torch

from llm_auction.generation.memory import out_of_memory_says


def test_the_allocators_error_becomes_advice() -> None:
    with pytest.raises(MemoryError, match="out of memory: lower the batch"), out_of_memory_says("lower the batch"):
        torch.empty(2**52, dtype=torch.uint8)


def test_a_gpus_error_becomes_advice() -> None:
    with pytest.raises(MemoryError, match="lower the batch"), out_of_memory_says("lower the batch"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_says("lower the batch"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
