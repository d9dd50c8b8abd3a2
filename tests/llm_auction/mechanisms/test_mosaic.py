"""MOSAIC as a mechanism: bid-free candidates, one generation for all taus, what it costs and charges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_auction.answers import parse_answer
from llm_auction.mechanisms import MosaicAuction, clicks_from_user
from llm_auction.objective import Penalty, reward
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, ScriptedEngine, auctions

PENALTY = Penalty()
USER = ParametricUser(ADS)


def mosaic(engine: ScriptedEngine, tau: float = 10.0, candidates: int = 20) -> MosaicAuction:
    return MosaicAuction(engine, clicks_from_user(USER), SAMPLING, PENALTY, tau=tau, candidates=candidates)


def test_candidates_do_not_depend_on_bids() -> None:
    engine = ScriptedEngine()
    market = auctions(3)
    raised = [replace(auction, bids=tuple(bid + 50 for bid in auction.bids)) for auction in market]
    first, second = (mosaic(engine).propose(these, seed=1) for these in (market, raised))
    assert [proposal.answers for proposal in first] == [proposal.answers for proposal in second]
    assert '"bid"' not in "".join(message["content"] for prompt in engine.prompts for message in prompt[1:])


def test_candidates_are_scored_as_the_objective_says() -> None:
    for proposal in mosaic(ScriptedEngine()).propose(auctions(4), seed=2):
        for row, answer in enumerate(proposal.answers):
            parsed = parse_answer(answer.text, ADS)
            clicks = USER.click_probabilities(proposal.auction, answer.text)
            expected = reward(proposal.auction, parsed, clicks, PENALTY)
            assert proposal.rewards[row].sum() - proposal.costs[row] == pytest.approx(expected)


def test_one_generation_serves_every_tau() -> None:
    engine = ScriptedEngine()
    mechanism = mosaic(engine)
    proposals = mechanism.propose(auctions(5), seed=3)
    assert engine.answers_asked == 100
    welfare = {}
    for tau in (0.0, 0.1, 10.0, 1000.0):
        outcomes = mechanism.settle(proposals, samples=50, seed=3, tau=tau)
        chosen = [
            proposal.allocate(tau).probabilities @ (proposal.rewards.sum(1) - proposal.costs) for proposal in proposals
        ]
        welfare[tau] = float(np.mean(chosen))
        assert [len(of_auction) for of_auction in outcomes] == [50] * 5
    assert engine.answers_asked == 100
    assert welfare[0.0] >= welfare[0.1] >= welfare[10.0] >= welfare[1000.0]
    best = np.mean([(proposal.rewards.sum(1) - proposal.costs).max() for proposal in proposals])
    assert welfare[0.0] == pytest.approx(best)


def test_costs_count_every_candidate() -> None:
    engine = ScriptedEngine()
    outcomes = mosaic(engine, candidates=7).run(auctions(4), seed=4)
    assert [outcome.generations for outcome in outcomes] == [7] * 4
    assert sum(outcome.tokens for outcome in outcomes) == engine.tokens_made
    assert all(0 < outcome.answer_tokens < outcome.tokens for outcome in outcomes)


def test_charges_are_those_of_the_shown_answer() -> None:
    mechanism = mosaic(ScriptedEngine())
    proposals = mechanism.propose(auctions(6), seed=5)
    for proposal, outcomes in zip(proposals, mechanism.settle(proposals, samples=30, seed=5), strict=True):
        allocation = proposal.allocate(10.0)
        texts = [answer.text for answer in proposal.answers]
        for outcome in outcomes:
            row = texts.index(outcome.answer)
            charged = {ad.ad_id: allocation.payments[row, column] for column, ad in enumerate(ADS)}
            assert outcome.payments == pytest.approx({ad_id: paid for ad_id, paid in charged.items() if paid != 0.0})
            value = proposal.rewards[row].sum()
            assert outcome.payment <= value + 1e-9


def test_draws_follow_the_allocation() -> None:
    mechanism = mosaic(ScriptedEngine(), candidates=4)
    (proposal,) = mechanism.propose(auctions(1), seed=6)
    (outcomes,) = mechanism.settle([proposal], samples=4000, seed=6)
    mean_payment = np.mean([outcome.payment for outcome in outcomes])
    allocation = proposal.allocate(10.0)
    spread = np.sqrt(allocation.probabilities @ allocation.payments.sum(1) ** 2)
    assert mean_payment == pytest.approx(allocation.expected_payments.sum(), abs=4 * spread / np.sqrt(4000) + 1e-9)


def test_the_same_seed_shows_the_same_answers() -> None:
    runs = [mosaic(ScriptedEngine()).repeat(auctions(3), 5, seed=seed) for seed in (7, 7, 8)]
    assert runs[0] == runs[1] != runs[2]


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="candidate"):
        mosaic(ScriptedEngine(), candidates=0)
    with pytest.raises(ValueError, match="tau"):
        mosaic(ScriptedEngine(), tau=-1.0)
