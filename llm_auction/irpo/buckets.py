"""Where gradients lie in processes that each hold the model: in the buckets that they are exchanged in.

DistributedDataParallel's buckets are as large as all gradients together, 4 bytes a parameter: by default gradients lie
beside them once more. As views of the buckets they don't, but only as long as nobody replaces them: a step of several
micro-batches exchanges the last one alone, and those before would begin with gradients of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from accelerate.utils import DistributedDataParallelKwargs
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def put_gradients_in_buckets(handlers: Iterable[Any]) -> None:
    """Ask for it in the settings that Accelerate wraps a model with."""
    for handler in handlers:
        if isinstance(handler, DistributedDataParallelKwargs):
            handler.gradient_as_bucket_view = True


def keep_gradients_in_buckets(model: nn.Module) -> None:
    """From now on the trainer's `model.zero_grad()` sets gradients to zero where they lie; other models stay as is."""
    if isinstance(model, DistributedDataParallel):
        model.zero_grad = partial(type(model).zero_grad, model, set_to_none=False)
