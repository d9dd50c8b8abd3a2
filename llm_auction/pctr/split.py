"""Who is held out: users, and with them the questions that only they asked.

Test users of the simulation are unseen, so quality must be measured on users the model never met. A user's part is
drawn from the id, not from the row number: the same user is held out in every iteration, and an older model can be
judged on the newest feedback of users that it has not seen either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.pctr.impressions import Impression
from llm_auction.seeds import derive_seed

_SPAN = float(2**63)
_MIN_KEPT = 0.5


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of one fit. `kind` says what was held out: "user and query", or "query" where users share their questions.

    `validation` stops the training and calibrates; `test` is only ever measured on. No question of either is in
    `train`.
    """

    kind: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_impressions(impressions: Sequence[Impression], share: float, seed: int, member: int = 0) -> Split:
    """Hold out `share` of the users for testing and another `share` for validation.

    Members of an ensemble share the test users and differ in their validation users. Held-out rows whose question a
    training user asked too are left out; where that would cost more than half of them (a query file that everybody
    asks), questions are held out instead of users.

    Raises:
        ValueError: too few users and questions to hold any out.
    """
    users = np.asarray([impression.user_id for impression in impressions], dtype=object)
    queries = np.asarray([" ".join(impression.query.lower().split()) for impression in impressions], dtype=object)
    train, validation, test = _parts(users, share, seed, member)
    # A set, since numpy looks for objects one by one: minutes for a log of a million impressions.
    known = set(queries[train])
    fresh = np.asarray([query not in known for query in queries])
    kept = {"validation": validation & fresh, "test": test & fresh}
    if all(
        part.any() and part.sum() >= _MIN_KEPT * whole.sum()
        for part, whole in ((kept["validation"], validation), (kept["test"], test))
    ):
        return Split("user and query", *map(np.flatnonzero, (train, kept["validation"], kept["test"])))
    train, validation, test = _parts(queries, share, seed, member)
    if not (train.any() and validation.any() and test.any()):
        raise ValueError(
            f"pCTR: {len(np.unique(queries.astype(str)))} distinct questions in {len(impressions)} impressions are "
            "too few to hold some out for validation and testing: three at least, and pctr.validation_share "
            f"({share:g}) well below 0.5"
        )
    return Split("query", *map(np.flatnonzero, (train, validation, test)))


def _parts(keys: np.ndarray, share: float, seed: int, member: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of the training, validation and test rows by key; each part of a small set gets at least one key."""
    place = {key: derive_seed(seed, "pctr split", str(key)) / _SPAN for key in dict.fromkeys(keys)}
    ordered = sorted(place, key=lambda key: place[key])
    low = share * (member + 1)
    test_keys = {key for key in ordered if place[key] < share} or set(ordered[:1])
    rest = [key for key in ordered if key not in test_keys]
    validation_keys = {key for key in rest if low <= place[key] < low + share}
    if not validation_keys and len(rest) > 1:
        validation_keys = {rest[member % len(rest)]}
    test = np.asarray([key in test_keys for key in keys])
    validation = np.asarray([key in validation_keys for key in keys])
    return ~(test | validation), validation, test
