"""What the loop asks of a user: click probabilities where they are known, and judgements of every inserted ad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llm_auction.market import Auction


@dataclass(frozen=True, slots=True)
class Judgement:
    """The user's verdict on one inserted ad: clicked or not, with what probability, and why (in words).

    `clicked` is None where the user gave no usable verdict, `probability` where the user model knows none.
    """

    ad_id: str
    clicked: bool | None
    probability: float | None
    reason: str


class UserModel(Protocol):
    """A simulated user: the paper's is a prompted LLM (`LlmUser`), the embedded one is `ParametricUser`."""

    def click_probabilities(self, auction: Auction, answer: str) -> dict[str, float] | None:
        """Probability of a click by ad id, for exactly the inserted ads of `answer`; the marginals of `judge`.

        None where the user model knows none.
        """
        ...

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        """One judgement for each inserted ad, in reading order; clicks are drawn from `rng`."""
        ...

    def judge_all(
        self, auctions: Sequence[Auction], answers: Sequence[str], rngs: Sequence[np.random.Generator]
    ) -> list[list[Judgement]]:
        """`judge` of many answers, each with its own random numbers, as fast as the user model can."""
        ...
