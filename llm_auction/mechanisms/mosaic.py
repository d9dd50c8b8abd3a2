"""MOSAIC: generate first, then auction among the candidate answers (Soumalias, Curry, Seuken, arXiv 2405.05905).

M answers are drawn i.i.d. from the pretrained Ad-LLM under a prompt WITHOUT bids: truthfulness needs candidates that
don't depend on them. The law of the drawn answers is itself the reference, so their log weights are 0 but for the
platform's bid-free penalty; candidates of another law (a tuned Ad-LLM, say) carry exact importance weights
log pi_ref(y) - log pi_gen(y). It costs M generations a query where LLM-Auction needs one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from llm_auction.answers import parse_answer
from llm_auction.click_values import ClickValues, bids_for_clicks
from llm_auction.generation.protocol import GeneratedAnswer, GenerationEngine, Messages, Progress, clock
from llm_auction.market import Auction
from llm_auction.mechanisms.mosaic_allocation import MosaicAllocation, argmax_auction, mosaic_auction
from llm_auction.mechanisms.protocol import ClickEstimator, Outcome
from llm_auction.objective import Penalty
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed, generator


class AnswerLikelihood(Protocol):
    """The reference law of answers, such as `TransformersEngine` on the pretrained model."""

    def log_probabilities(
        self, prompts: Sequence[Messages], answers: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[float]]:
        """log pi(answer | prompt) in nats at temperature 1, summed over the given tokens of each answer."""
        ...


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """The M candidate answers of one auction, scored once and auctioned at any tau.

    `rewards` (M, n) r_i(y_j), columns in the order of the auction's candidates, `floors` (M, n) the same for bids at
    the reserve price; `costs` (M,) lambda * s_resp(y_j); `log_weights` (M,) log pi_ref(y_j) - log pi_gen(y_j);
    `seconds` to draw and score all of them.
    """

    auction: Auction
    answers: tuple[GeneratedAnswer, ...]
    rewards: np.ndarray
    floors: np.ndarray
    costs: np.ndarray
    log_weights: np.ndarray
    seconds: float

    @property
    def tokens(self) -> int:
        """Tokens of all candidates."""
        return sum(len(answer.token_ids) for answer in self.answers)

    def allocate(self, tau: float) -> MosaicAllocation:
        """Allocation and payments at temperature `tau`; 0 is the argmax limit."""
        if tau == 0:
            return argmax_auction(self.rewards, self.costs, self.floors)
        return mosaic_auction(self.rewards, self.log_weights - self.costs / tau, tau, self.floors)


class MosaicAuction:
    """MOSAIC over the pretrained Ad-LLM.

    Args:
        engine: samples the candidates, from the same law pi_gen whatever the bids.
        estimate_clicks: the reward model that turns bids into r_i(y).
        sampling: temperature, truncation, length; part of what defines the reference.
        penalty: lambda * s_resp.
        tau: temperature of the allocation, in currency units a nat; 0 is the argmax limit.
        candidates: M.
        values: what clicks are worth, where that is not the bids; in proportion to the bid.
        reserve: least price a click, below which no candidate of the auctions bids.
        open_reference: opens pi_ref where it is not the law that `engine` samples, once the answers are drawn; weights
            are exact only for answers drawn at temperature 1 without truncation.
        template: the prompt's versioned template.
        on_progress: told (answers done, answers in all).

    Raises:
        ValueError: `candidates` < 1, `tau` < 0, or a reference with sampling that is not the model's own law.
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
        values: ClickValues = bids_for_clicks,
        reserve: float = 0.0,
        open_reference: Callable[[], AnswerLikelihood] | None = None,
        template: str = "ad_llm_v1",
        on_progress: Progress | None = None,
    ) -> None:
        if candidates < 1:
            raise ValueError(f"MOSAIC needs at least one candidate answer, got {candidates}")
        if not tau >= 0:
            raise ValueError(f"tau must be >= 0, got {tau}")
        if open_reference is not None and (sampling.temperature, sampling.top_p, sampling.top_k) != (1.0, 1.0, 0):
            raise ValueError(
                "importance weights are exact only for answers drawn with temperature 1, top_p 1 and top_k 0, got "
                f"{sampling.temperature}, {sampling.top_p} and {sampling.top_k}"
            )
        self.tau = tau
        self._engine = engine
        self._estimate_clicks = estimate_clicks
        self._sampling = sampling
        self._penalty = penalty
        self._candidates = candidates
        self._values = values
        self._reserve = reserve
        self._open_reference = open_reference
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
        started = clock(self._engine)
        answers = self._engine.sample(
            prompts, self._candidates, self._sampling, derive_seed(seed, "mosaic"), on_progress=self._on_progress
        )
        flat_auctions = [auction for auction, of_auction in zip(auctions, answers, strict=True) for _ in of_auction]
        texts = [answer.text for of_auction in answers for answer in of_auction]
        clicks = iter(self._estimate_clicks(flat_auctions, texts))
        # What a click is worth a unit of the bid: the reserve is a bid like any other, so it is worth as much.
        units = self._values([replace(auction, bids=(1,) * len(auction.bids)) for auction in auctions])
        seconds = clock(self._engine) - started
        reference = None if self._open_reference is None else self._open_reference()  # loading it is no serving
        started = time.perf_counter()
        log_weights = _log_weights(reference, prompts, answers)
        seconds = (seconds + time.perf_counter() - started) / max(1, len(auctions))
        return [
            self._score(auction, unit, tuple(of_auction), [next(clicks) for _ in of_auction], weights, seconds)
            for auction, unit, of_auction, weights in zip(auctions, units, answers, log_weights, strict=True)
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
        self,
        auction: Auction,
        unit: Auction,
        answers: tuple[GeneratedAnswer, ...],
        clicks: Sequence[dict[str, float]],
        log_weights: np.ndarray,
        seconds: float,
    ) -> CandidateSet:
        column = {ad.ad_id: number for number, ad in enumerate(auction.candidates)}
        odds = np.zeros((len(answers), len(auction.candidates)))
        for row, probabilities in enumerate(clicks):
            for ad_id, probability in probabilities.items():
                odds[row, column[ad_id]] = probability
        worth = odds * np.asarray(unit.bids, np.float64)
        rewards = worth * np.asarray(auction.bids, np.float64)
        costs = np.array(
            [self._penalty.of(auction, parse_answer(answer.text, auction.candidates)) for answer in answers]
        )
        return CandidateSet(auction, answers, rewards, worth * self._reserve, costs, log_weights, seconds)

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
            seconds=proposal.seconds,
        )


def _log_weights(
    reference: AnswerLikelihood | None, prompts: Sequence[Messages], answers: Sequence[Sequence[GeneratedAnswer]]
) -> list[np.ndarray]:
    if reference is None:
        return [np.zeros(len(group)) for group in answers]
    own = [[answer.logprob for answer in group if answer.logprob is not None] for group in answers]
    if [len(group) for group in own] != [len(group) for group in answers]:
        raise ValueError("importance weights need the log-probabilities of the answers: the engine left them out")
    tokens = [[answer.token_ids for answer in group] for group in answers]
    return [
        np.array(likely) - np.array(drawn)
        for likely, drawn in zip(reference.log_probabilities(prompts, tokens), own, strict=True)
    ]
