"""Holding out users: the split goes by profile, so that test users are unseen in training."""

from __future__ import annotations

from collections.abc import Sequence

from llm_auction.population.users import Split
from llm_auction.seeds import generator


def split_users(user_ids: Sequence[str], test_share: float, seed: int) -> dict[str, Split]:
    """Each user's split: round(test_share x users) of them are test users, drawn by seed.

    With a share between 0 and 1, both sides keep at least one user where there are two.
    """
    held_out = round(test_share * len(user_ids))
    if 0.0 < test_share < 1.0 and len(user_ids) > 1:
        held_out = min(max(held_out, 1), len(user_ids) - 1)
    order = generator(seed, "split").permutation(len(user_ids))
    test = {user_ids[index] for index in order[:held_out]}
    return {user_id: "test" if user_id in test else "train" for user_id in user_ids}
