"""Best-of-N: nested draws, the best reward of each block, what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan

import numpy as np
import pytest

from llm_auction.answers import parse_answer
from llm_auction.market import Auction
from llm_auction.mechanisms import BestOfN, Outcome, PretrainedAdLlm, clicks_from_user
from llm_auction.objective import Penalty, reward
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, ScriptedEngine, auctions

USER, PENALTY = ParametricUser(ADS), Penalty()


def best_of(answers: int, engine: ScriptedEngine | None = None) -> BestOfN:
    return BestOfN(engine or ScriptedEngine(), clicks_from_user(USER), SAMPLING, PENALTY, answers=answers)


def reward_of(auction: Auction, outcome: Outcome) -> float:
    clicks = USER.click_probabilities(auction, outcome.answer)
    return reward(auction, parse_answer(outcome.answer, auction.candidates), clicks, PENALTY)


def test_the_best_of_one_is_the_pretrained_model() -> None:
    market = auctions(5)
    pretrained = PretrainedAdLlm(ScriptedEngine(), clicks_from_user(USER), SAMPLING).repeat(market, 3, seed=1)
    assert best_of(1).repeat(market, 3, seed=1) == pretrained


def test_more_answers_never_lower_the_reward_of_a_query() -> None:
    market = auctions(6)
    mechanism = best_of(20)
    proposals = mechanism.propose(market, 20, seed=2)
    found = {n: [of_auction[0] for of_auction in mechanism.settle(proposals, n, 1)] for n in (1, 5, 20)}
    rewards = {n: np.array(list(map(reward_of, market, outcomes))) for n, outcomes in found.items()}
    assert (rewards[1] <= rewards[5] + 1e-12).all() and (rewards[5] <= rewards[20] + 1e-12).all()
    assert rewards[20].mean() > rewards[1].mean()
    np.testing.assert_allclose(rewards[20], [max(proposal.rewards) for proposal in proposals])


def test_blocks_are_independent_and_as_many_as_there_are() -> None:
    mechanism = best_of(20)
    proposals = mechanism.propose(auctions(3), 20, seed=3)
    assert [len(of_auction) for of_auction in mechanism.settle(proposals, 5, 3)] == [3, 3, 3]
    assert [len(of_auction) for of_auction in mechanism.settle(proposals, 10, 3)] == [2, 2, 2]
    with pytest.raises(ValueError, match="best of 21"):
        mechanism.settle(proposals, 21, 1)


def test_costs_and_bill() -> None:
    engine, market = ScriptedEngine(), auctions(4)
    outcomes = best_of(7, engine).run(market, seed=4)
    assert [outcome.generations for outcome in outcomes] == [7] * 4
    assert sum(outcome.tokens for outcome in outcomes) == engine.tokens_made
    for auction, outcome in zip(market, outcomes, strict=True):
        clicks = USER.click_probabilities(auction, outcome.answer)
        assert outcome.payment == pytest.approx(sum(auction.bid_of(ad_id) * clicks[ad_id] for ad_id in clicks))


def test_an_answer_that_was_not_judged_is_shown_only_where_there_is_no_other() -> None:
    def some(auctions: Sequence[Auction], answers: Sequence[str]) -> list[dict[str, float]]:
        found = clicks_from_user(USER)(auctions, answers)
        return [dict.fromkeys(clicks, nan) if len(clicks) == 1 else clicks for clicks in found]

    mechanism = BestOfN(ScriptedEngine(), some, SAMPLING, PENALTY, answers=20)
    for proposal, (outcome,) in zip(
        proposals := mechanism.propose(auctions(4), 20, seed=2), mechanism.settle(proposals, 20, 1), strict=True
    ):
        known = [reward for reward in proposal.rewards if not isnan(reward)]
        assert 0 < len(known) < 20
        assert reward_of(proposal.auction, outcome) == pytest.approx(max(known))


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="at least one answer"):
        best_of(0)
