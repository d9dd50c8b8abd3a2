"""Preference sets (arXiv 2512.10551, Algorithm 1): M answers to one prompt, their rewards, the winner and the losers.

The winner is the answer of the highest reward (the first of equals); the losers are those that fall short of it by
more than delta_th. Answers in between take no side.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from llm_auction.generation.protocol import Messages

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "query_id": pl.String,
    "messages": pl.String,
    "answers": pl.List(pl.String),
    "token_ids": pl.List(pl.List(pl.Int64)),
    "rewards": pl.List(pl.Float64),
}


@dataclass(frozen=True, slots=True)
class PreferenceSet:
    """M answers to one prompt with their rewards (Eq. 5, currency of the bids); `token_ids` as the model wrote them.

    Raises ValueError, naming the query, when the parts don't fit together or a reward is not a number.
    """

    query_id: str
    messages: Messages
    answers: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    rewards: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.answers or not len(self.answers) == len(self.token_ids) == len(self.rewards):
            raise ValueError(
                f"query {self.query_id}: {len(self.answers)} answers, {len(self.token_ids)} token lists and "
                f"{len(self.rewards)} rewards; there must be one of each for every answer, and at least one answer"
            )
        if not all(math.isfinite(reward) for reward in self.rewards):
            raise ValueError(f"query {self.query_id}: rewards must be finite numbers, got {self.rewards}")
        if not all(self.token_ids):
            raise ValueError(f"query {self.query_id}: an answer has no tokens (even an empty one ends with a token)")

    @property
    def winner(self) -> int:
        """Index of the winner y_w."""
        return max(range(len(self.rewards)), key=lambda index: self.rewards[index])

    def losers(self, delta_th: float) -> tuple[int, ...]:
        """Indices of S = {y_l : r_w - r_l > delta_th}; `delta_th` in the currency of the bids."""
        best = self.rewards[self.winner]
        return tuple(index for index, reward in enumerate(self.rewards) if best - reward > delta_th)

    def usable(self, delta_th: float) -> bool:
        """Whether the set teaches anything: it has at least one loser."""
        return bool(self.losers(delta_th))

    def contenders(self, delta_th: float) -> tuple[list[tuple[int, ...]], list[int]]:
        """Token ids of the winner and of the distinct losers, and how many answers each of them stands for.

        Equal losers have equal losses: one of them, weighted by their number, gives the same sum over S.
        """
        counts: dict[tuple[int, ...], int] = {}
        for index in self.losers(delta_th):
            counts[self.token_ids[index]] = counts.get(self.token_ids[index], 0) + 1
        return [self.token_ids[self.winner], *counts], [1, *counts.values()]


def write_sets(path: Path, sets: Sequence[PreferenceSet]) -> None:
    """Write sets as the Parquet file that `python -m llm_auction.irpo.train --pairs` reads."""
    pl.DataFrame(
        {
            "query_id": [row.query_id for row in sets],
            "messages": [json.dumps(row.messages, ensure_ascii=False) for row in sets],
            "answers": [list(row.answers) for row in sets],
            "token_ids": [[list(tokens) for tokens in row.token_ids] for row in sets],
            "rewards": [list(row.rewards) for row in sets],
        },
        schema=_SCHEMA,
    ).write_parquet(path)


def read_sets(path: Path) -> list[PreferenceSet]:
    """Read what `write_sets` wrote; ValueError that names the file and the row or column when it can't be."""
    if not path.is_file():
        raise ValueError(f"preference pairs {path} do not exist")
    try:
        frame = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"preference pairs {path} can't be read as Parquet: {error}") from None
    missing = [column for column in _SCHEMA if column not in frame.columns]
    if missing:
        raise ValueError(f"preference pairs {path} lack the columns {missing}; they have {frame.columns}")
    sets = []
    for number, row in enumerate(frame.iter_rows(named=True)):
        try:
            sets.append(
                PreferenceSet(
                    query_id=row["query_id"],
                    messages=json.loads(row["messages"]),
                    answers=tuple(row["answers"]),
                    token_ids=tuple(tuple(tokens) for tokens in row["token_ids"]),
                    rewards=tuple(row["rewards"]),
                )
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"preference pairs {path}, row {number}: {error}") from None
    return sets
