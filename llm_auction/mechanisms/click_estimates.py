"""Where a mechanism's click probabilities come from: the pCTR model, or the user itself (oracle)."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Protocol

import numpy as np

from llm_auction.market import Auction
from llm_auction.mechanisms.protocol import ClickEstimator
from llm_auction.pctr.impressions import Impression, impressions_of
from llm_auction.seeds import generator
from llm_auction.users.protocol import UserModel


class ImpressionModel(Protocol):
    """What is needed of a reward model (`llm_auction.pctr`): one probability an impression."""

    def predict(self, impressions: Sequence[Impression]) -> np.ndarray: ...


def clicks_from_pctr(model: ImpressionModel) -> ClickEstimator:
    """Click probabilities as the reward model predicts them, all answers in one batch."""

    def estimate(auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, float]]:
        impressions = [impressions_of(auction, answer) for auction, answer in zip(auctions, answers, strict=True)]
        flat = [impression for of_answer in impressions for impression in of_answer]
        predicted = iter(np.asarray(model.predict(flat), dtype=np.float64).tolist() if flat else [])
        return [{impression.ad.ad_id: next(predicted) for impression in of_answer} for of_answer in impressions]

    return estimate


def clicks_from_user(user: UserModel) -> ClickEstimator:
    """The user model's own probabilities: what a perfect reward model would say.

    Of a user model that knows none (an LLM), its click in one showing, 1 or 0: right on average, and what the paper's
    Oracle is trained on. A click that it did not judge is NaN. Equal answers to a query get the same showing.
    """

    def estimate(auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, float]]:
        known = [user.click_probabilities(auction, answer) for auction, answer in zip(auctions, answers, strict=True)]
        unknown = [index for index, probabilities in enumerate(known) if probabilities is None]
        shown = user.judge_all(
            [auctions[index] for index in unknown],
            [answers[index] for index in unknown],
            [generator(0, "estimate", auctions[index].query.query_id, answers[index]) for index in unknown],
        )
        clicks = {
            index: {judged.ad_id: nan if judged.clicked is None else float(judged.clicked) for judged in of_answer}
            for index, of_answer in zip(unknown, shown, strict=True)
        }
        return [clicks[index] if of_answer is None else of_answer for index, of_answer in enumerate(known)]

    return estimate
