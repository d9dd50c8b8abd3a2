"""Out of memory, said as one clear error: what was being done, and what to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# PyTorch's allocator on a CPU raises a plain RuntimeError.
_CPU_ALLOCATOR = "can't allocate memory"


@contextmanager
def out_of_memory_says(advice: str) -> Iterator[None]:
    """Raise MemoryError with `advice` in place of PyTorch's own out-of-memory errors."""
    import torch

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and _CPU_ALLOCATOR not in str(error):
            raise
        raise MemoryError(f"out of memory: {advice}") from error
