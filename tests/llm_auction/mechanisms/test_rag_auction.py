"""RAG-Auction as a mechanism: only the winners in the prompt, critical prices, one generation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_auction.market import Auction
from llm_auction.mechanisms import RagAuction, clicks_from_user
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, ScriptedEngine, auctions

USER = ParametricUser(ADS)


def relevance(auction: Auction, written: str = "") -> np.ndarray:
    return np.linspace(0.2, 0.9, len(auction.candidates))


@pytest.mark.parametrize("winners", [1, 2, 3])
def test_only_the_winners_are_shown_and_billed(winners: int) -> None:
    engine = ScriptedEngine()
    market = auctions(10)
    outcomes = RagAuction(engine, relevance, clicks_from_user(USER), SAMPLING, winners=winners).run(market, seed=0)
    for prompt, auction, outcome in zip(engine.prompts, market, outcomes, strict=True):
        lines = prompt[-1]["content"].partition("Ads:\n")[2].splitlines()
        assert len(lines) == winners
        assert not any('"bid"' in line for line in lines)
        shown = {ad.ad_id for ad in auction.candidates if any(f'"Ad-{ad.ad_id}"' in line for line in lines)}
        assert set(outcome.payments) <= shown
        assert outcome.generations == 1
        clicks = USER.click_probabilities(auction, outcome.answer)
        for ad_id, payment in outcome.payments.items():
            assert 0.0 <= payment <= auction.bid_of(ad_id) * clicks[ad_id] + 1e-9


def test_every_showing_runs_its_own_auction() -> None:
    engine = ScriptedEngine()
    mechanism = RagAuction(engine, relevance, clicks_from_user(USER), SAMPLING)
    outcomes = mechanism.repeat(auctions(2), 12, seed=1)
    assert [len(of_auction) for of_auction in outcomes] == [12, 12]
    assert len({prompt[-1]["content"] for prompt in engine.prompts[:12]}) > 1
    assert outcomes == mechanism.repeat(auctions(2), 12, seed=1)


def test_an_auction_without_bids_shows_no_ad() -> None:
    (auction,) = auctions(1)
    silent = replace(auction, bids=(0,) * len(auction.bids))
    (outcome,) = RagAuction(ScriptedEngine(), relevance, clicks_from_user(USER), SAMPLING).run([silent], seed=0)
    assert outcome.payments == {}


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="winner"):
        RagAuction(ScriptedEngine(), relevance, clicks_from_user(USER), SAMPLING, winners=0)
