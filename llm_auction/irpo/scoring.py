"""The rewards of sampled answers (arXiv 2512.10551, Eq. 5), whoever estimates the clicks."""

from __future__ import annotations

from collections.abc import Sequence

from llm_auction.answers import parse_answer
from llm_auction.market import Auction
from llm_auction.mechanisms.protocol import ClickEstimator
from llm_auction.objective import Penalty, reward


def rewards_of(
    auctions: Sequence[Auction],
    answers: Sequence[Sequence[str]],
    estimator: ClickEstimator,
    penalty: Penalty,
) -> list[list[float]]:
    """R of every answer to every auction, in currency units; all clicks are estimated in one call.

    NaN where the estimator knows no click probability of an inserted ad.

    Args:
        auctions: one for each group of answers; supply candidates and bids.
        answers: the texts as the model wrote them.
        estimator: pCTR of the inserted ads (`llm_auction.mechanisms.click_estimates`).
        penalty: the weights of s_resp.
    """
    pairs = [(auction, answer) for auction, group in zip(auctions, answers, strict=True) for answer in group]
    estimates = estimator([auction for auction, _ in pairs], [answer for _, answer in pairs])
    flat = iter(
        reward(auction, parse_answer(answer, auction.candidates), clicks, penalty)
        for (auction, answer), clicks in zip(pairs, estimates, strict=True)
    )
    return [[next(flat) for _ in group] for group in answers]
