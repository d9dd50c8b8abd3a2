"""What every generation engine does: M answers to each of many prompts, reproducible under a seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from llm_auction.profiles.schema import SamplingConfig

Messages = list[dict[str, str]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class GeneratedAnswer:
    """One answer drawn from the policy.

    `token_ids` is the completion without the prompt, end-of-sequence token included when the model wrote one.
    `logprob` is log pi(y | prompt) in nats, summed over those tokens, at temperature 1 and without truncation: the
    model's own probability, not that of the sampling settings; None where an engine was told to leave it out.
    `finished` is False when the token limit cut it.
    """

    text: str
    token_ids: tuple[int, ...]
    logprob: float | None
    finished: bool


class GenerationEngine(Protocol):
    """Draws answers. The answers to a prompt depend on the seed and the prompt's index, not on the batch around it.

    A server may break that rule by itself: not every one keeps a request's seed apart from its neighbours'.

    `seconds_saved` counts the wall time that its calls so far would have taken longer, had not earlier attempts left
    answers in a journal.
    """

    seconds_saved: float

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Progress | None = None,
    ) -> list[list[GeneratedAnswer]]:
        """`answers_per_prompt` answers to every prompt, in the order of the prompts.

        A last message of the role `assistant` is the beginning of an answer: it is continued, and only what is new
        comes back.

        `on_progress(done, total)` counts answers. Raises ValueError when a prompt and its answer don't fit the
        model's context: nothing is ever cut.
        """
        ...


def clock(engine: GenerationEngine) -> float:
    """Seconds, for differences: wall time as if the engine had drawn every answer itself, resumed samplings too."""
    return time.perf_counter() + engine.seconds_saved
