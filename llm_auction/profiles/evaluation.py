"""The sections about what is measured: the mechanisms on the test queries, and what theory promises."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from llm_auction.profiles.arms import ABLATIONS, SWEEPS
from llm_auction.profiles.section import Arm, AtLeastTwo, Positive, Section


class EvaluationConfig(Section):
    """What is measured on the test queries."""

    test_queries: Positive = Field(100, description="At most this many of the held-out queries.")
    answers_per_query: Positive = Field(4, description="Answers drawn for each test query by one-answer mechanisms.")
    mosaic_candidates: Positive = Field(20, description="Answers that MOSAIC draws and chooses from.")
    mosaic_taus: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        (0.1, 1.0, 10.0), description="Temperatures of its softmax over their scores."
    )
    rag_winners: tuple[Positive, ...] = Field((1, 2, 3), description="k of RAG-Auction: ads sold for one whole answer.")
    rag_segments: Positive = Field(3, description="Segments that RAG-Auction sells one by one.")
    best_of: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        (1, 5, 20, 100), description="N of best-of-N under the true reward; at least one."
    )
    reserve_price: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="Least price a click when serving; ads that bid less are no candidates. 0: none."
    )
    reserve_prices: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        (20.0, 40.0, 60.0, 80.0), description="What the asset reserve_prices compares with no reserve."
    )
    bootstrap_resamples: Positive = Field(2000, description="Behind every interval.")


class PropertiesConfig(Section):
    """How closely `llm-auction evaluate --property` looks; nothing else depends on it."""

    bid_queries: Positive = Field(100, description="At most this many test queries, for monotonicity.")
    bid_answers: AtLeastTwo = Field(12, description="Answers at each bid of the monotonicity ladder, for each query.")
    continuity_step: Annotated[int, Field(ge=1, le=50)] = Field(
        1,
        description="Step between the bids of continuity, from 1 on; hundredths of the range where ads bid in another "
        "than 1 to 100.",
    )
    continuity_answers: AtLeastTwo = Field(200, description="Answers at each bid of the one query looked at closely.")
    continuity_queries: Positive = Field(10, description="Queries over which continuity is looked at as well.")
    continuity_query_answers: AtLeastTwo = Field(8, description="Answers at each bid of those.")
    best_response_queries: Positive = Field(10, description="Queries whose advertisers play best responses.")
    best_response_rounds: Positive = Field(3, description="Most rounds of best responses.")
    best_response_answers: AtLeastTwo = Field(12, description="Answers behind each bid that an advertiser tries.")
    reserve_queries: Positive = Field(100, description="At most this many test queries, at each reserve price.")


class AblationsConfig(Section):
    """The ablations that `llm-auction study` trains beside the profile's own arms, and how large they are."""

    arms: tuple[Arm, ...] = Field(
        (*ABLATIONS, *SWEEPS), description="Which (`llm_auction/profiles/arms.py`); `[]` leaves them out."
    )
    train_queries: Positive | None = Field(
        None,
        description="At most this many training queries of an ablation, which is then compared with the arm "
        "ablation_base; None takes all, and compares with llm_auction.",
    )
    iterations: Positive = Field(2, description="Of an ablation; more than the run has are not trained.")
    sweep_iterations: Positive = Field(1, description="Of an arm that sweeps one number, likewise.")
