"""Test questions that several seeds were measured on: a file of queries gives every seed the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from llm_auction.report.study import SeedRun

# Generated users of two seeds may have the same number and question by chance: 1 of 600 in profile laptop.
CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class SharedQuestions:
    """How many test questions more than one seed was measured on (`shared`) of how many there are (`asked`).

    A question is a user's text; `of_query` is that of each seed's query, by seed and query id.
    """

    shared: int
    asked: int
    of_query: Mapping[tuple[int, str], tuple[str, str]]

    @classmethod
    def of(cls, runs: Sequence[SeedRun]) -> SharedQuestions:
        """Those of the runs' test queries."""
        of_query = {
            (run.seed, query_id): (run.queries[query_id].user_id, run.queries[query_id].text)
            for run in runs
            for query_id in run.outcomes["query_id"].unique().sort()
            if query_id in run.queries
        }
        asked = pl.DataFrame([(seed, *question) for (seed, _), question in of_query.items()], _SCHEMA, orient="row")
        seeds = asked.group_by("user_id", "text").agg(pl.col("seed").n_unique())["seed"]
        return cls(int((seeds > 1).sum()), len(seeds), of_query)

    @property
    def matter(self) -> bool:
        """Whether they are more than chance has: then seeds are not independent of each other."""
        return self.shared > CHANCE * self.asked

    @property
    def drawn_as(self) -> Mapping[tuple[int, str], tuple[str, str]]:
        """By seed and query id, the question that a bootstrap draws for all seeds at once; empty by chance."""
        return self.of_query if self.matter else {}


_SCHEMA = {"seed": pl.Int64(), "user_id": pl.String(), "text": pl.String()}
