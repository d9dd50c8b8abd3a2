"""LLM-Auction: the Ad-LLM sees the bids and its answer IS the allocation; first price (arXiv 2512.10551).

Serving costs one generation, as without ads: the reward model took part in training only. It is asked here once more
for the bill in expectation; in production advertisers pay their bid for each click (`llm_auction.payments`).
"""

from __future__ import annotations

from collections.abc import Sequence

from llm_auction.generation.protocol import GenerationEngine, Progress, clock
from llm_auction.market import Auction
from llm_auction.mechanisms.protocol import ClickEstimator, Outcome
from llm_auction.payments import expected_bill
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed


class LlmAuction:
    """Any tuned Ad-LLM as a mechanism.

    Args:
        engine: samples from the Ad-LLM.
        estimate_clicks: click probabilities for the expected first-price bill.
        sampling: temperature, truncation, length.
        template: the prompt's versioned template.
        show_bids: False hides the bids from the model (an ablation).
        on_progress: told (answers done, answers in all).
    """

    name = "llm_auction"

    def __init__(
        self,
        engine: GenerationEngine,
        estimate_clicks: ClickEstimator,
        sampling: SamplingConfig,
        *,
        template: str = "ad_llm_v1",
        show_bids: bool = True,
        on_progress: Progress | None = None,
    ) -> None:
        self._engine = engine
        self._estimate_clicks = estimate_clicks
        self._sampling = sampling
        self._template = template
        self._show_bids = show_bids
        self._on_progress = on_progress

    def run(self, auctions: Sequence[Auction], seed: int) -> list[Outcome]:
        """One answer for each auction."""
        return [outcomes[0] for outcomes in self.repeat(auctions, 1, seed)]

    def repeat(self, auctions: Sequence[Auction], samples: int, seed: int) -> list[list[Outcome]]:
        """`samples` independent answers for each auction.

        The stream of random numbers has the same name for every model, so that a model and its tuned descendant are
        compared under the same luck.
        """
        prompts = [render_messages(auction, self._template, show_bids=self._show_bids) for auction in auctions]
        started = clock(self._engine)
        answers = self._engine.sample(
            prompts, samples, self._sampling, derive_seed(seed, "one-answer"), on_progress=self._on_progress
        )
        seconds = (clock(self._engine) - started) / max(1, len(auctions) * samples)
        flat_auctions = [auction for auction, of_auction in zip(auctions, answers, strict=True) for _ in of_auction]
        texts = [answer.text for of_auction in answers for answer in of_auction]
        clicks = iter(self._estimate_clicks(flat_auctions, texts))
        return [
            [
                Outcome(
                    answer=answer.text,
                    payments=expected_bill(auction, next(clicks)),
                    generations=1,
                    tokens=len(answer.token_ids),
                    answer_tokens=len(answer.token_ids),
                    seconds=seconds,
                )
                for answer in of_auction
            ]
            for auction, of_auction in zip(auctions, answers, strict=True)
        ]
