"""The population of a run: who asks, what, and who is held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llm_auction.catalog.rows import RejectedRow
from llm_auction.market import Query, UserProfile

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Population:
    """Users, their queries, the split of each user (all queries of a user share it), and rejected rows of a file."""

    profiles: tuple[UserProfile, ...]
    queries: tuple[Query, ...]
    split_of_user: Mapping[str, Split]
    rejected: tuple[RejectedRow, ...] = ()

    def require_both_splits(self) -> None:
        """Refuse a population in which nobody trains or nobody tests.

        Raises:
            ValueError: says which side is empty.
        """
        for split in ("train", "test"):
            if split not in {self.split_of(query) for query in self.queries}:
                raise ValueError(
                    f"no {split} queries: {len(self.profiles)} users are not enough for population.test_share, or the "
                    "share or the file's own split leaves one side empty"
                )

    def split_of(self, query: Query) -> Split:
        return self.split_of_user[query.user_id]
