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

# Networks of an ensemble. Each stops on users of its own, so that one share more than these must fit into the whole.
MEMBERS = 3
_SPAN = float(2**63)
_MIN_KEPT = 0.5


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of one member's fit. `kind`: "user and query" were held out, or "query" where users share their questions.

    `validation` stops the training and calibrates; `test` is only ever measured on. No question of either is in
    `train`, and none of `test` in the `train` or `validation` of any member.
    """

    kind: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_impressions(
    impressions: Sequence[Impression], share: float, seed: int, members: int = MEMBERS
) -> tuple[Split, ...]:
    """Hold out `share` of the users for testing and another `share` for validation, for each member of an ensemble.

    Members share the kind and the test rows, and differ in their validation users. Test rows whose question any other
    user asked too are left out, and validation rows whose question a training user of the member asked; where that
    would cost more than half of them (a query file that everybody asks), questions are held out instead of users.

    Raises:
        ValueError: too few users and questions to hold any out.
    """
    users = np.asarray([impression.user_id for impression in impressions], dtype=object)
    queries = np.asarray([" ".join(impression.query.lower().split()) for impression in impressions], dtype=object)
    by_user = _with_fresh_questions(_by_key("user and query", users, share, seed, members), queries)
    splits = by_user or _by_key("query", queries, share, seed, members)
    if not splits:
        raise ValueError(
            f"pCTR: {len(np.unique(queries.astype(str)))} distinct questions in {len(impressions)} impressions are "
            "too few to hold some out for validation and testing: three at least, and more with a large "
            f"pctr.validation_share ({share:g})"
        )
    return splits


def _by_key(kind: str, keys: np.ndarray, share: float, seed: int, members: int) -> tuple[Split, ...]:
    """The rows of each member by key; each part of a small set gets at least one key. None of it with too few keys."""
    place = {key: derive_seed(seed, "pctr split", str(key)) / _SPAN for key in dict.fromkeys(keys)}
    ordered = sorted(place, key=lambda key: place[key])
    test_keys = {key for key in ordered if place[key] < share} or set(ordered[:1])
    rest = [key for key in ordered if key not in test_keys]
    if len(rest) < 2:
        return ()
    test = np.asarray([key in test_keys for key in keys])
    splits = []
    for member in range(members):
        low = share * (member + 1)
        validation_keys = {key for key in rest if low <= place[key] < low + share} or {rest[member % len(rest)]}
        if len(validation_keys) == len(rest):
            return ()
        validation = np.asarray([key in validation_keys for key in keys])
        splits.append(Split(kind, *map(np.flatnonzero, (~(test | validation), validation, test))))
    return tuple(splits)


def _with_fresh_questions(splits: tuple[Split, ...], queries: np.ndarray) -> tuple[Split, ...]:
    """The splits without held-out rows whose question others asked; none where one of them would lose too much."""
    if not splits:
        return ()
    whole = splits[0].test
    # Against all other rows and not a member's training rows alone: another member may train on the rest.
    test = _fresh(whole, queries, np.setdiff1d(np.arange(len(queries)), whole))
    kept = [Split(split.kind, split.train, _fresh(split.validation, queries, split.train), test) for split in splits]
    enough = len(test) >= _MIN_KEPT * len(whole) and all(
        len(fresh.validation) >= _MIN_KEPT * len(split.validation) for fresh, split in zip(kept, splits, strict=True)
    )
    return tuple(kept) if enough else ()


def _fresh(rows: np.ndarray, queries: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Those of `rows` whose question none of `others` asked."""
    # A set, since numpy looks for objects one by one: minutes for a log of a million impressions.
    known = set(queries[others])
    return rows[[query not in known for query in queries[rows]]]
