"""MOSAIC: generate first, then auction among the candidate answers (Soumalias, Curry, Seuken, arXiv 2405.05905).

M answers are drawn i.i.d. from the pretrained Ad-LLM under a prompt WITHOUT bids: truthfulness needs candidates that
don't depend on them. The law of the drawn answers is itself the reference, so their log weights are 0 but for the
platform's bid-free penalty. It costs M generations a query where LLM-Auction needs one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.answers import parse_answer
from llm_auction.generation.protocol import GeneratedAnswer, GenerationEngine, Progress
from llm_auction.market import Auction
from llm_auction.mechanisms.mosaic_allocation import MosaicAllocation, argmax_auction, mosaic_auction
from llm_auction.mechanisms.protocol import ClickEstimator, Outcome
from llm_auction.objective import Penalty
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed, generator


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """The M candidate answers of one auction, scored once and auctioned at any tau.

    `rewards` (M, n) r_i(y_j), columns in the order of the auction's candidates; `costs` (M,) lambda * s_resp(y_j).
    """

    auction: Auction
    answers: tuple[GeneratedAnswer, ...]
    rewards: np.ndarray
    costs: np.ndarray

    @property
    def tokens(self) -> int:
        """Tokens of all candidates."""
        return sum(len(answer.token_ids) for answer in self.answers)

    def allocate(self, tau: float) -> MosaicAllocation:
        """Allocation and payments at temperature `tau`; 0 is the argmax limit."""
        if tau == 0:
            return argmax_auction(self.rewards, self.costs)
        return mosaic_auction(self.rewards, -self.costs / tau, tau)


class MosaicAuction:
    """MOSAIC over the pretrained Ad-LLM.

    Args:
        engine: samples from the pretrained model, the same one whatever the bids.
        estimate_clicks: the reward model that turns bids into r_i(y).
        sampling: temperature, truncation, length; part of what defines the reference.
        penalty: lambda * s_resp.
        tau: temperature of the allocation, in currency units a nat; 0 is the argmax limit.
        candidates: M.
        template: the prompt's versioned template.
        on_progress: told (answers done, answers in all).

    Raises:
        ValueError: `candidates` < 1 or `tau` < 0.
    """

    name = "mosaic"

    def __init__(
        self,
        engine: GenerationEngine,
        estimate_clicks: ClickEstimator,
        sampling: SamplingConfig,
        penalty: Penalty,
        *,
        tau: float,
        candidates: int = 20,
        template: str = "ad_llm_v1",
        on_progress: Progress | None = None,
    ) -> None:
        if candidates < 1:
            raise ValueError(f"MOSAIC needs at least one candidate answer, got {candidates}")
        if not tau >= 0:
            raise ValueError(f"tau must be >= 0, got {tau}")
        self.tau = tau
        self._engine = engine
        self._estimate_clicks = estimate_clicks
        self._sampling = sampling
        self._penalty = penalty
        self._candidates = candidates
        self._template = template
        self._on_progress = on_progress

    def run(self, auctions: Sequence[Auction], seed: int) -> list[Outcome]:
        """One answer for each auction."""
        return [outcomes[0] for outcomes in self.repeat(auctions, 1, seed)]

    def repeat(self, auctions: Sequence[Auction], samples: int, seed: int) -> list[list[Outcome]]:
        """`samples` draws of the shown answer from the same candidates of each auction."""
        return self.settle(self.propose(auctions, seed), samples, seed)

    def propose(self, auctions: Sequence[Auction], seed: int) -> list[CandidateSet]:
        """Generate and score the candidate answers of each auction: the costly part, done once for all taus."""
        prompts = [render_messages(auction, self._template, show_bids=False) for auction in auctions]
        answers = self._engine.sample(
            prompts, self._candidates, self._sampling, derive_seed(seed, "mosaic"), on_progress=self._on_progress
        )
        flat_auctions = [auction for auction, of_auction in zip(auctions, answers, strict=True) for _ in of_auction]
        texts = [answer.text for of_auction in answers for answer in of_auction]
        clicks = iter(self._estimate_clicks(flat_auctions, texts))
        return [
            self._score(auction, tuple(of_auction), [next(clicks) for _ in of_auction])
            for auction, of_auction in zip(auctions, answers, strict=True)
        ]

    def settle(
        self, proposals: Sequence[CandidateSet], samples: int, seed: int, tau: float | None = None
    ) -> list[list[Outcome]]:
        """Auction the candidates at `tau` (by default the mechanism's own), and draw `samples` shown answers each.

        The uniform numbers behind the draws don't depend on tau, so that temperatures are compared under the same luck.
        """
        temperature = self.tau if tau is None else tau
        return [self._draw(proposal, samples, seed, temperature) for proposal in proposals]

    def _score(
        self, auction: Auction, answers: tuple[GeneratedAnswer, ...], clicks: Sequence[dict[str, float]]
    ) -> CandidateSet:
        column = {ad.ad_id: number for number, ad in enumerate(auction.candidates)}
        rewards = np.zeros((len(answers), len(auction.candidates)))
        for row, probabilities in enumerate(clicks):
            for ad_id, probability in probabilities.items():
                rewards[row, column[ad_id]] = auction.bids[column[ad_id]] * probability
        costs = np.array([self._penalty.of(parse_answer(answer.text, auction.candidates)) for answer in answers])
        return CandidateSet(auction, answers, rewards, costs)

    def _draw(self, proposal: CandidateSet, samples: int, seed: int, tau: float) -> list[Outcome]:
        allocation = proposal.allocate(tau)
        cumulative = np.cumsum(allocation.probabilities)
        uniforms = generator(seed, "mosaic", "shown", proposal.auction.query.query_id).random(samples)
        shown = np.searchsorted(cumulative, uniforms * cumulative[-1], side="right")
        return [self._outcome(proposal, allocation, int(row)) for row in shown]

    def _outcome(self, proposal: CandidateSet, allocation: MosaicAllocation, row: int) -> Outcome:
        charged = allocation.payments[row].tolist()
        return Outcome(
            answer=proposal.answers[row].text,
            payments={
                ad.ad_id: payment
                for ad, payment in zip(proposal.auction.candidates, charged, strict=True)
                if payment != 0.0
            },
            generations=len(proposal.answers),
            tokens=proposal.tokens,
            answer_tokens=len(proposal.answers[row].token_ids),
        )
