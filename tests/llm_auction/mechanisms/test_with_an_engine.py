"""Every mechanism on the real generation engine and a model of the embedded architecture with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_auction.mechanisms import (
    BestOfN,
    LlmAuction,
    Mechanism,
    MosaicAuction,
    PretrainedAdLlm,
    RagAuction,
    RagSegmentAuction,
    clicks_from_user,
)
from llm_auction.objective import Penalty
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, auctions
from tests.llm_auction.mechanisms.test_rag_auction import relevance

SAMPLING = SamplingConfig(max_new_tokens=6)


@pytest.fixture(scope="module")
def mechanisms(tiny_model_dir: Path) -> list[Mechanism]:
    from llm_auction.generation.transformers_engine import TransformersEngine

    engine, clicks = TransformersEngine(tiny_model_dir), clicks_from_user(ParametricUser(ADS))
    return [
        PretrainedAdLlm(engine, clicks, SAMPLING),
        LlmAuction(engine, clicks, SAMPLING),
        MosaicAuction(engine, clicks, SAMPLING, Penalty(), tau=10.0, candidates=3),
        RagAuction(engine, relevance, clicks, SAMPLING, winners=2),
        RagSegmentAuction(engine, relevance, clicks, SAMPLING, segments=1),
        BestOfN(engine, clicks, SAMPLING, Penalty(), answers=3),
    ]


def test_all_run_repeat_and_account(mechanisms: list[Mechanism]) -> None:
    market = auctions(2)
    for mechanism in mechanisms:
        outcomes = mechanism.repeat(market, 2, seed=5)
        assert outcomes == mechanism.repeat(market, 2, seed=5)
        assert [len(of_auction) for of_auction in outcomes] == [2, 2]
        for outcome in (outcome for of_auction in outcomes for outcome in of_auction):
            assert outcome.generations == (3 if mechanism.name in ("mosaic", "best_of_n") else 1)
            assert 1 <= outcome.answer_tokens <= SAMPLING.max_new_tokens
            assert outcome.seconds > 0
            assert outcome.answer_tokens <= outcome.tokens <= outcome.generations * SAMPLING.max_new_tokens


def test_the_pretrained_model_and_a_tuned_one_are_compared_under_the_same_luck(mechanisms: list[Mechanism]) -> None:
    pretrained, tuned = (mechanism.run(auctions(2), seed=6) for mechanism in mechanisms[:2])
    assert pretrained == tuned  # the weights are the same here, and nothing else may differ
