"""What holds for every mechanism: nobody pays more than the bid, nothing beats the bound, odd markets are defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.generation.protocol import GeneratedAnswer, Messages, Progress
from llm_auction.market import Auction
from llm_auction.mechanisms import (
    BestOfN,
    LlmAuction,
    Mechanism,
    MosaicAuction,
    Outcome,
    PretrainedAdLlm,
    RagAuction,
    RagSegmentAuction,
    clicks_from_user,
)
from llm_auction.objective import Penalty, expected_revenue, reward
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.users import ParametricUser, clairvoyant_reward
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, ScriptedEngine, auctions
from tests.llm_auction.mechanisms.test_rag_auction import relevance

USER, PENALTY = ParametricUser(ADS), Penalty()
CLICKS = clicks_from_user(USER)


class Fixed(ScriptedEngine):
    """Writes the same answer whatever it is asked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Progress | None = None,
    ) -> list[list[GeneratedAnswer]]:
        return [[GeneratedAnswer(self.text, (1, 2, 3), -1.0, True)] * answers_per_prompt for _ in prompts]


MECHANISMS: dict[str, Callable[[ScriptedEngine], Mechanism]] = {
    "pretrained": lambda engine: PretrainedAdLlm(engine, CLICKS, SAMPLING),
    "llm_auction": lambda engine: LlmAuction(engine, CLICKS, SAMPLING),
    "mosaic": lambda engine: MosaicAuction(engine, CLICKS, SAMPLING, PENALTY, tau=10.0),
    "mosaic argmax": lambda engine: MosaicAuction(engine, CLICKS, SAMPLING, PENALTY, tau=0.0),
    "rag k=1": lambda engine: RagAuction(engine, relevance, CLICKS, SAMPLING),
    "rag k=3": lambda engine: RagAuction(engine, relevance, CLICKS, SAMPLING, winners=3),
    "rag segments": lambda engine: RagSegmentAuction(engine, relevance, CLICKS, SAMPLING),
    "rag replacement": lambda engine: RagSegmentAuction(engine, relevance, CLICKS, SAMPLING, replacement=True),
    "best of 5": lambda engine: BestOfN(engine, CLICKS, SAMPLING, PENALTY, answers=5),
}


@pytest.fixture(params=MECHANISMS.values(), ids=MECHANISMS.keys())
def make(request: pytest.FixtureRequest) -> Callable[[ScriptedEngine], Mechanism]:
    return request.param  # type: ignore[no-any-return]


def rewards(market: Sequence[Auction], outcomes: Sequence[Sequence[Outcome]]) -> list[tuple[Auction, Outcome, float]]:
    """The true reward of every outcome."""
    return [
        (
            auction,
            outcome,
            reward(
                auction,
                parse_answer(outcome.answer, auction.candidates),
                USER.click_probabilities(auction, outcome.answer),
                PENALTY,
            ),
        )
        for auction, of_auction in zip(market, outcomes, strict=True)
        for outcome in of_auction
    ]


def test_nobody_pays_more_than_the_bid_and_nothing_beats_the_bound(
    make: Callable[[ScriptedEngine], Mechanism],
) -> None:
    market = auctions(12)
    for auction, outcome, earned in rewards(market, make(ScriptedEngine()).repeat(market, 4, seed=0)):
        clicks = USER.click_probabilities(auction, outcome.answer)
        for ad_id, payment in outcome.payments.items():
            assert payment <= auction.bid_of(ad_id) * clicks.get(ad_id, 0.0) + 1e-9
        assert outcome.payment <= expected_revenue(auction, clicks) + 1e-9
        assert earned <= clairvoyant_reward(auction, USER, PENALTY).reward + 1e-9


def test_one_candidate_and_its_rivals_absence(make: Callable[[ScriptedEngine], Mechanism]) -> None:
    """A lone bidder has nobody to beat: where the price is critical, it is 0."""
    market = [replace(auction, candidates=ADS[:1], bids=(80,)) for auction in auctions(4)]
    mechanism = make(ScriptedEngine())
    for auction, outcome, _ in rewards(market, mechanism.repeat(market, 3, seed=1)):
        assert set(parse_answer(outcome.answer, auction.candidates).ad_ids) <= {"0"}
        if isinstance(mechanism, RagAuction | RagSegmentAuction):
            assert outcome.payment == 0.0


def test_ads_that_bid_nothing_pay_nothing(make: Callable[[ScriptedEngine], Mechanism]) -> None:
    market = [replace(auction, bids=(0,) * len(ADS)) for auction in auctions(4)]
    outcomes = make(ScriptedEngine()).repeat(market, 3, seed=2)
    assert all(abs(outcome.payment) < 1e-9 for of_auction in outcomes for outcome in of_auction)


def test_equal_bids_are_an_auction_like_any_other(make: Callable[[ScriptedEngine], Mechanism]) -> None:
    market = [replace(auction, bids=(50,) * len(ADS)) for auction in auctions(4)]
    outcomes = make(ScriptedEngine()).repeat(market, 3, seed=3)
    assert outcomes == make(ScriptedEngine()).repeat(market, 3, seed=3)
    for auction, outcome, _ in rewards(market, outcomes):
        clicks = USER.click_probabilities(auction, outcome.answer)
        assert outcome.payment <= 50 * sum(clicks.values()) + 1e-9


def test_an_answer_without_an_ad_costs_nobody_anything(make: Callable[[ScriptedEngine], Mechanism]) -> None:
    market = auctions(3)
    outcomes = make(Fixed("Mind the mud.")).repeat(market, 2, seed=4)
    for _, outcome, earned in rewards(market, outcomes):
        assert "@" not in outcome.answer
        assert sum(map(abs, outcome.payments.values())) < 1e-9
        assert earned == 0.0


def test_the_same_ad_twice_is_billed_once(make: Callable[[ScriptedEngine], Mechanism]) -> None:
    link = render_insertion(ADS[0])
    market = [replace(auction, candidates=ADS[:1], bids=(60,)) for auction in auctions(2)]
    outcomes = make(Fixed(f"On muddy trails take {link}, yes, {link}.")).repeat(market, 2, seed=5)
    for auction, outcome, _ in rewards(market, outcomes):
        assert parse_answer(outcome.answer, auction.candidates).repetitions >= 1
        (chance,) = USER.click_probabilities(auction, outcome.answer).values()
        assert outcome.payment <= 60 * chance + 1e-9


def test_no_auctions_give_no_outcomes(make: Callable[[ScriptedEngine], Mechanism]) -> None:
    assert make(ScriptedEngine()).repeat([], 3, seed=6) == []
