"""Preference sets over random answers for the training tests."""

from __future__ import annotations

import numpy as np

from llm_auction.irpo.preference_pairs import PreferenceSet


def random_sets(count: int, answers: int = 4, length: int = 12) -> list[PreferenceSet]:
    """`count` sets; the winner of each is at least 20 above the others."""
    rng = np.random.default_rng(0)
    return [
        PreferenceSet(
            query_id=f"q{index}",
            messages=[{"role": "user", "content": "boots and tents " * int(rng.integers(1, 4))}],
            answers=tuple(f"answer {number}" for number in range(answers)),
            token_ids=tuple(tuple(rng.integers(3, 300, length).tolist()) for _ in range(answers)),
            rewards=(50.0, *rng.uniform(0, 30, answers - 1).tolist()),
        )
        for index in range(count)
    ]
