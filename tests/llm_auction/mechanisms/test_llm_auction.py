"""LLM-Auction and the pretrained Ad-LLM: one generation, bids in the prompt, first price."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.mechanisms import LlmAuction, PretrainedAdLlm, clicks_from_pctr, clicks_from_user
from llm_auction.pctr.impressions import Impression
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, ScriptedEngine, auctions

USER = ParametricUser(ADS)


@pytest.mark.parametrize("kind", [LlmAuction, PretrainedAdLlm])
def test_one_generation_and_first_price(kind: type[LlmAuction]) -> None:
    engine = ScriptedEngine()
    market = auctions(5)
    outcomes = kind(engine, clicks_from_user(USER), SAMPLING).run(market, seed=0)
    assert engine.answers_asked == 5
    assert sum(outcome.tokens for outcome in outcomes) == engine.tokens_made
    assert all(outcome.generations == 1 and outcome.tokens == outcome.answer_tokens for outcome in outcomes)
    for auction, outcome in zip(market, outcomes, strict=True):
        clicks = USER.click_probabilities(auction, outcome.answer)
        assert outcome.payments == {ad_id: auction.bid_of(ad_id) * clicks[ad_id] for ad_id in clicks}
    assert '"bid"' in engine.prompts[0][-1]["content"]


def test_names_tell_the_mechanisms_apart() -> None:
    assert (LlmAuction.name, PretrainedAdLlm.name) == ("llm_auction", "pretrained")


def test_repeated_showings_differ_and_repeat_under_the_seed() -> None:
    mechanism = LlmAuction(ScriptedEngine(), clicks_from_user(USER), SAMPLING)
    first, second = (mechanism.repeat(auctions(2), 6, seed=1) for _ in range(2))
    assert first == second
    assert len({outcome.answer for outcome in first[0]}) > 1


def test_the_pctr_model_bills_by_its_own_predictions() -> None:
    class Positions:
        def predict(self, impressions: list[Impression]) -> np.ndarray:
            return np.array([0.5 / (1 + impression.position) for impression in impressions], dtype=np.float32)

    market = auctions(8)
    outcomes = LlmAuction(ScriptedEngine(), clicks_from_pctr(Positions()), SAMPLING).run(market, seed=2)
    for auction, outcome in zip(market, outcomes, strict=True):
        expected = {
            ad_id: auction.bid_of(ad_id) * 0.5 / (1 + position)
            for position, ad_id in enumerate(USER.click_probabilities(auction, outcome.answer))
        }
        assert outcome.payments == pytest.approx(expected)


def test_no_auctions_give_no_outcomes() -> None:
    assert LlmAuction(ScriptedEngine(), clicks_from_user(USER), SAMPLING).run([], seed=0) == []
