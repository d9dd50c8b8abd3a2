"""What the loop asks of a user: click probabilities where they are known, and judgements of every inserted ad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llm_auction.market import Auction


@dataclass(frozen=True, slots=True)
class Judgement:
    """The user's verdict on one inserted ad: clicked or not, with what probability, and why (in words)."""

    ad_id: str
    clicked: bool
    probability: float
    reason: str


class UserModel(Protocol):
    """A simulated user; the paper's is a prompted LLM, the embedded one is `ParametricUser`."""

    def click_probabilities(self, auction: Auction, answer: str) -> dict[str, float]:
        """Probability of a click by ad id, for exactly the inserted ads of `answer`; the marginals of `judge`."""
        ...

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        """One judgement for each inserted ad, in reading order; clicks are drawn from `rng`."""
        ...
