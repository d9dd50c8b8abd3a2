"""RAG-Auction: the segment auction first, then generate with ONLY the winners in the prompt (arXiv 2406.09459).

The whole answer is one segment here (`rag_segment_auction` sells its sentences one by one). The prompt shows the
winners without their bids and in the candidates' order, so that a bid acts through winning alone. Winners pay their
critical price per click.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llm_auction.generation.protocol import GenerationEngine, Progress, clock
from llm_auction.market import Auction
from llm_auction.mechanisms.ad_relevance import AdRelevance
from llm_auction.mechanisms.protocol import ClickEstimator, Outcome
from llm_auction.mechanisms.segment_auction import SegmentResult, segment_auction
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed, generator


class RagAuction:
    """RAG-Auction with k winners.

    Args:
        engine: samples from the pretrained Ad-LLM.
        relevance: q_i of the auction's candidates; must not depend on the bids.
        estimate_clicks: click probabilities for the expected bill.
        sampling: temperature, truncation, length.
        winners: k.
        reserve: least price a click.
        template: the prompt's versioned template.
        on_progress: told (answers done, answers in all).

    Raises:
        ValueError: fewer than one winner.
    """

    name = "rag_auction"

    def __init__(
        self,
        engine: GenerationEngine,
        relevance: AdRelevance,
        estimate_clicks: ClickEstimator,
        sampling: SamplingConfig,
        *,
        winners: int = 1,
        reserve: float = 0.0,
        template: str = "ad_llm_v1",
        on_progress: Progress | None = None,
    ) -> None:
        if winners < 1:
            raise ValueError(f"RAG-Auction needs at least one winner, got {winners}")
        self._engine = engine
        self._relevance = relevance
        self._estimate_clicks = estimate_clicks
        self._sampling = sampling
        self._winners = winners
        self._reserve = reserve
        self._template = template
        self._on_progress = on_progress

    def run(self, auctions: Sequence[Auction], seed: int) -> list[Outcome]:
        """One answer for each auction."""
        return [outcomes[0] for outcomes in self.repeat(auctions, 1, seed)]

    def repeat(self, auctions: Sequence[Auction], samples: int, seed: int) -> list[list[Outcome]]:
        """`samples` runs of each auction, each with its own noise, winners and answer."""
        started = clock(self._engine)
        results = [self._auction(auction, samples, seed) for auction in auctions]
        shown = [
            auction.only(result.winners)
            for auction, of_auction in zip(auctions, results, strict=True)
            for result in of_auction
        ]
        prompts = [render_messages(auction, self._template, show_bids=False) for auction in shown]
        answers = [
            of_prompt[0]
            for of_prompt in self._engine.sample(
                prompts, 1, self._sampling, derive_seed(seed, "rag-auction"), on_progress=self._on_progress
            )
        ]
        seconds = (clock(self._engine) - started) / max(1, len(answers))
        clicks = self._estimate_clicks(shown, [answer.text for answer in answers])
        outcomes = iter(
            Outcome(
                answer=answer.text,
                payments=_bill(auction, result, probabilities),
                generations=1,
                tokens=len(answer.token_ids),
                answer_tokens=len(answer.token_ids),
                seconds=seconds,
            )
            for auction, result, answer, probabilities in zip(
                [auction for auction in auctions for _ in range(samples)],
                [result for of_auction in results for result in of_auction],
                answers,
                clicks,
                strict=True,
            )
        )
        return [[next(outcomes) for _ in range(samples)] for _ in auctions]

    def _auction(self, auction: Auction, samples: int, seed: int) -> list[SegmentResult]:
        rng = generator(seed, "rag-auction", auction.query.query_id)
        relevance, bids = np.asarray(self._relevance(auction), dtype=np.float64), np.asarray(auction.bids, np.float64)
        return [segment_auction(relevance, bids, self._winners, rng, self._reserve) for _ in range(samples)]


def _bill(auction: Auction, result: SegmentResult, click_probabilities: dict[str, float]) -> dict[str, float]:
    """Critical price x click probability of each winner that the answer shows."""
    prices = {auction.candidates[ad].ad_id: price for ad, price in zip(result.winners, result.prices, strict=True)}
    return {ad_id: prices[ad_id] * probability for ad_id, probability in click_probabilities.items()}
