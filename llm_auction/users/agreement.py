"""How far two judgements of the same showings agree: the User-LLM with itself, or with the parametric user.

Test and retest are two judgements of one user model with different random numbers. Raw agreement flatters a user who
hardly ever clicks, so Cohen's kappa stands beside it: 1 is perfect, 0 is what chance alone would give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_auction.market import Auction
from llm_auction.seeds import generator
from llm_auction.users.protocol import Judgement, UserModel


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two judgements, ad by ad.

    `ads` that both judged, `missing` that one of them left unjudged; shares are of `ads`. `kappa` is None where one
    of the two gave every ad the same verdict, for then chance alone agrees as often.
    """

    ads: int
    missing: int
    agreed: float | None
    kappa: float | None
    first_ctr: float | None
    second_ctr: float | None


def agreement(first: Sequence[Sequence[Judgement]], second: Sequence[Sequence[Judgement]]) -> Agreement:
    """Compare two judgements of the same answers, in the same order.

    Raises:
        ValueError: they are not of the same inserted ads.
    """
    pairs: list[tuple[bool, bool]] = []
    missing = 0
    for ours, theirs in zip(first, second, strict=True):
        if [one.ad_id for one in ours] != [one.ad_id for one in theirs]:
            raise ValueError("the judgements to be compared are not of the same inserted ads")
        for one, other in zip(ours, theirs, strict=True):
            if one.clicked is None or other.clicked is None:
                missing += 1
            else:
                pairs.append((one.clicked, other.clicked))
    if not pairs:
        return Agreement(0, missing, None, None, None, None)
    n = len(pairs)
    agreed = sum(one == other for one, other in pairs) / n
    p, q = sum(one for one, _ in pairs) / n, sum(other for _, other in pairs) / n
    by_chance = p * q + (1 - p) * (1 - q)
    constant = p in (0.0, 1.0) or q in (0.0, 1.0)
    return Agreement(n, missing, agreed, None if constant else (agreed - by_chance) / (1 - by_chance), p, q)


def retest_agreement(user: UserModel, auctions: Sequence[Auction], answers: Sequence[str], seed: int) -> Agreement:
    """The agreement of a user with itself: every answer judged twice, with different random numbers."""
    return agreement(*(_judge(user, auctions, answers, seed, label) for label in ("test", "retest")))


def agreement_of(
    first: UserModel, second: UserModel, auctions: Sequence[Auction], answers: Sequence[str], seed: int
) -> Agreement:
    """The agreement of two users on the same answers."""
    return agreement(*(_judge(user, auctions, answers, seed, "test") for user in (first, second)))


def _judge(
    user: UserModel, auctions: Sequence[Auction], answers: Sequence[str], seed: int, label: str
) -> list[list[Judgement]]:
    rngs = [generator(seed, "agreement", label, number) for number in range(len(answers))]
    return user.judge_all(auctions, answers, rngs)
