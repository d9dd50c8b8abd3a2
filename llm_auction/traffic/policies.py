"""Who answers: a policy behind one small protocol, and any generation engine as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from llm_auction.generation.protocol import GeneratedAnswer, GenerationEngine
from llm_auction.market import Auction
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """An answer and log pi(answer) in nats, as the log carries it (at temperature 1 and untruncated)."""

    text: str
    logprob: float


class Policy(Protocol):
    """What answers questions: `version` names it in the log, `sampling` is how its answers are drawn."""

    version: str
    sampling: Mapping[str, float | int]

    def answer(self, auctions: Sequence[Auction], seed: int) -> list[LoggedAnswer]:
        """One answer for each auction; the same auctions and seed give the same answers."""
        ...


class EnginePolicy:
    """An Ad-LLM as a policy.

    Args:
        engine: samples from the model.
        version: its version in the model store, or whatever names it.
        sampling: temperature, truncation, length.
        template: the prompt's versioned template.
    """

    def __init__(self, engine: GenerationEngine, version: str, sampling: SamplingConfig, template: str) -> None:
        self.version = version
        self.sampling: Mapping[str, float | int] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
        self._engine = engine
        self._sampling = sampling
        self._template = template

    def answer(self, auctions: Sequence[Auction], seed: int) -> list[LoggedAnswer]:
        prompts = [render_messages(auction, self._template) for auction in auctions]
        groups = self._engine.sample(prompts, 1, self._sampling, seed)
        return [_logged(answer) for (answer,) in groups]


def _logged(answer: GeneratedAnswer) -> LoggedAnswer:
    if answer.logprob is None:
        raise ValueError("a log needs the log-probabilities of its answers: open the engine with them")
    return LoggedAnswer(answer.text, answer.logprob)
