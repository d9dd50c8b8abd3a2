"""What every mechanism does: from auctions to shown answers, payments and what they cost to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from llm_auction.market import Auction


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer that a mechanism shows, and its bill.

    Attributes:
        answer: the shown text.
        payments: by ad id, what the mechanism charges for showing this answer, in expectation over clicks; ads that
            pay nothing may be left out. Negative entries (MOSAIC, ads that are not shown) are refunds, NaN isn't known.
        generations: answers that were generated to show this one.
        tokens: tokens of ALL those answers.
        answer_tokens: tokens of the shown answer.
        seconds: wall time of serving it, as its share of the batch it was made in: generation, and whatever else the
            mechanism must do before it can answer; not the bill, which may follow later. Two outcomes that differ in
            nothing else are equal.
    """

    answer: str
    payments: dict[str, float]
    generations: int
    tokens: int
    answer_tokens: int
    seconds: float = field(default=0.0, compare=False)

    @property
    def payment(self) -> float:
        """What all advertisers together pay."""
        return sum(self.payments.values())


class Mechanism(Protocol):
    """An allocation rule and a payment rule (pi, p); the same auctions and seed give the same outcomes."""

    name: str

    def run(self, auctions: Sequence[Auction], seed: int) -> list[Outcome]:
        """One outcome for each auction, in their order."""
        ...

    def repeat(self, auctions: Sequence[Auction], samples: int, seed: int) -> list[list[Outcome]]:
        """`samples` outcomes for each auction: independent showings of the same auction to the same user."""
        ...


class ClickEstimator(Protocol):
    """What a mechanism believes about clicks: pCTR in production (`llm_auction.mechanisms.click_estimates`)."""

    def __call__(self, auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, float]]:
        """Click probabilities by ad id for exactly the inserted ads of `answers[k]` in `auctions[k]`.

        NaN where nobody knows: a user that is an LLM came to no verdict. So are then the answer's payments and reward.
        """
        ...
