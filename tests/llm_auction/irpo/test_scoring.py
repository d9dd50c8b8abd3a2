"""Rewards of answers, with one call for all clicks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from llm_auction.answers import render_insertion
from llm_auction.irpo.scoring import rewards_of
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.objective import Penalty


def test_rewards_follow_equation_5() -> None:
    ads = (Ad("1", "Boots", "shoes"), Ad("2", "Tent", "camping"))
    auction = Auction(Query("q", "u", "where to?"), UserProfile("u", "hiker"), ads, (50, 20))
    both = f"Take {render_insertion(ads[0])} and {render_insertion(ads[1])}."
    calls = []

    def estimator(auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, float]]:
        calls.append(len(answers))
        return [{"1": 0.5, "2": 0.1} if answer == both else {} for answer in answers]

    rewards = rewards_of(
        [auction, auction], [["None.", both], ["Wrong @Boot@[Ad-1]."]], estimator, Penalty(1.0, 4.0, 20.0)
    )

    assert rewards == [[0.0, pytest.approx(50 * 0.5 + 20 * 0.1 - 8)], [-20.0]]
    assert calls == [3]
