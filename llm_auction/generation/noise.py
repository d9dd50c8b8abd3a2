"""The noise of sampling: one stream of uniforms for every answer, whatever batch it is decoded in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from llm_auction.seeds import derive_seed


def answer_uniforms(seed: int, answers: Iterable[tuple[int, int]], steps: int) -> np.ndarray:
    """Uniforms in [0, 1), shape (answers, steps), float32: row r belongs to the (prompt index, answer index) of r.

    A row depends only on the seed and its own two indices, so that re-batching, resuming or asking for more answers
    leaves every other answer as it was.
    """
    rows = [
        np.random.Generator(np.random.Philox(derive_seed(seed, "answer", prompt, answer))).random(steps, np.float32)
        for prompt, answer in answers
    ]
    return np.stack(rows)
