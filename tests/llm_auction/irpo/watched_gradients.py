"""The training script, which also says after every backward pass where the gradients lie (`test_training.py`)."""

from __future__ import annotations

import sys
from typing import Any

from llm_auction.irpo.dpo import PrefixSharedDPOTrainer
from llm_auction.irpo.train import emit, main

_begin = PrefixSharedDPOTrainer.__init__


def _begin_watched(self: PrefixSharedDPOTrainer, *args: Any, **options: Any) -> None:
    _begin(self, *args, **options)
    backward = self.accelerator.backward

    def watched(loss: Any, **kwargs: Any) -> None:
        backward(loss, **kwargs)
        gradients = [parameter.grad for parameter in self.model.parameters()]
        memory = {gradient.untyped_storage().data_ptr() for gradient in gradients}
        emit("backward", in_buckets=len(memory) < len(gradients))

    self.accelerator.backward = watched


if __name__ == "__main__":
    PrefixSharedDPOTrainer.__init__ = _begin_watched  # type: ignore[method-assign]
    sys.exit(main())
