"""Best-of-N of the pretrained Ad-LLM under the true reward: what search alone buys, without training or an auction.

It needs the user's own click probabilities, which nobody has when serving, so it is a reference and no contender of a
platform. Answers are drawn as for the pretrained mechanism, bids in the prompt, and billed at first price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan

from llm_auction.answers import parse_answer
from llm_auction.click_values import ClickValues, bids_for_clicks
from llm_auction.generation.protocol import GeneratedAnswer, GenerationEngine, Progress, clock
from llm_auction.market import Auction
from llm_auction.mechanisms.protocol import ClickEstimator, Outcome
from llm_auction.objective import Penalty, reward
from llm_auction.payments import expected_bill
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class ScoredAnswers:
    """Answers to one auction with their click probabilities and true rewards; `seconds` to draw and score one.

    Those are NaN where the user came to no verdict.
    """

    auction: Auction
    answers: tuple[GeneratedAnswer, ...]
    clicks: tuple[dict[str, float], ...]
    rewards: tuple[float, ...]
    seconds: float


class BestOfN:
    """Best of N answers.

    Args:
        engine: samples from the pretrained Ad-LLM.
        estimate_clicks: the true click probabilities.
        sampling: temperature, truncation, length.
        penalty: lambda * s_resp.
        answers: N.
        values: what clicks are worth, where that is not the bids.
        template: the prompt's versioned template.
        on_progress: told (answers done, answers in all).

    Raises:
        ValueError: `answers` < 1.
    """

    name = "best_of_n"

    def __init__(
        self,
        engine: GenerationEngine,
        estimate_clicks: ClickEstimator,
        sampling: SamplingConfig,
        penalty: Penalty,
        *,
        answers: int,
        values: ClickValues = bids_for_clicks,
        template: str = "ad_llm_v1",
        on_progress: Progress | None = None,
    ) -> None:
        if answers < 1:
            raise ValueError(f"best-of-N needs at least one answer, got {answers}")
        self._engine = engine
        self._estimate_clicks = estimate_clicks
        self._sampling = sampling
        self._penalty = penalty
        self._answers = answers
        self._values = values
        self._template = template
        self._on_progress = on_progress

    def run(self, auctions: Sequence[Auction], seed: int) -> list[Outcome]:
        """One answer for each auction."""
        return [outcomes[0] for outcomes in self.repeat(auctions, 1, seed)]

    def repeat(self, auctions: Sequence[Auction], samples: int, seed: int) -> list[list[Outcome]]:
        """`samples` independent showings of each auction, each the best of N answers of its own."""
        return self.settle(self.propose(auctions, self._answers * samples, seed), self._answers, samples)

    def propose(self, auctions: Sequence[Auction], answers: int, seed: int) -> list[ScoredAnswers]:
        """Draw and score `answers` answers to each auction: the costly part, done once for every N up to there.

        The random numbers are those of the pretrained mechanism, so that its answers are the first of these.
        """
        prompts = [render_messages(auction, self._template) for auction in auctions]
        started = clock(self._engine)
        drawn = self._engine.sample(
            prompts, answers, self._sampling, derive_seed(seed, "one-answer"), on_progress=self._on_progress
        )
        flat_auctions = [auction for auction in auctions for _ in range(answers)]
        clicks = iter(self._estimate_clicks(flat_auctions, [answer.text for group in drawn for answer in group]))
        clicks_of = [tuple(next(clicks) for _ in group) for group in drawn]
        rewards = [
            tuple(map(self._reward, [valued] * answers, group, probabilities))
            for valued, group, probabilities in zip(self._values(auctions), drawn, clicks_of, strict=True)
        ]
        seconds = (clock(self._engine) - started) / max(1, len(flat_auctions))
        return [
            ScoredAnswers(auction, tuple(group), probabilities, values, seconds)
            for auction, group, probabilities, values in zip(auctions, drawn, clicks_of, rewards, strict=True)
        ]

    def settle(self, proposals: Sequence[ScoredAnswers], answers: int, samples: int) -> list[list[Outcome]]:
        """The best of every block of N = `answers` proposals, for as many of `samples` blocks as there are.

        Raises:
            ValueError: there are fewer than N proposals.
        """
        found = []
        for proposal in proposals:
            blocks = min(samples, len(proposal.answers) // answers)
            if blocks < 1:
                raise ValueError(f"best of {answers} needs as many answers, {len(proposal.answers)} were drawn")
            found.append([self._best(proposal, block * answers, answers) for block in range(blocks)])
        return found

    def _reward(self, auction: Auction, answer: GeneratedAnswer, clicks: dict[str, float]) -> float:
        return reward(auction, parse_answer(answer.text, auction.candidates), clicks, self._penalty)

    def _best(self, proposal: ScoredAnswers, first: int, answers: int) -> Outcome:
        block = range(first, first + answers)
        best = max(block, key=lambda place: _rank(proposal.rewards[place]))  # ties go to the earlier answer
        return Outcome(
            answer=proposal.answers[best].text,
            payments=expected_bill(proposal.auction, proposal.clicks[best]),
            generations=answers,
            tokens=sum(len(proposal.answers[place].token_ids) for place in block),
            answer_tokens=len(proposal.answers[best].token_ids),
            seconds=proposal.seconds * answers,
        )


def _rank(reward: float) -> float:
    """An answer that the user did not judge is shown only where there is no other."""
    return -inf if isnan(reward) else reward
