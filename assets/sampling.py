"""Drawing a step's answers from a model of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from assets.usage import engine_usage
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.profiles.schema import SamplingConfig
from resources.engines import EngineResource


def sample_answers(
    engine: EngineResource,
    model_dir: Path,
    prompts: Sequence[Messages],
    answers_per_prompt: int,
    sampling: SamplingConfig,
    seed: int,
    log: Callable[[str], None],
) -> tuple[list[list[GeneratedAnswer]], dict[str, int]]:
    """Answers to every prompt, and what a server took for them (`engine_usage`).

    Neither the model nor its server is left behind: what follows in the step may want the GPU.
    """
    opened = engine.open(model_dir)
    answers = opened.sample(
        prompts,
        answers_per_prompt,
        sampling,
        seed,
        on_progress=lambda done, total: log(f"answers sampled: {done} of {total}"),
    )
    usage = engine_usage(opened)
    del opened  # its model, before the memory is given back
    engine.close()
    return answers, usage
