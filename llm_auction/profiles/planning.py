"""The section about what a run costs; read by its plan alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from llm_auction.profiles.section import Positive, Section

Utilisation = Annotated[float, Field(gt=0.0, le=1.0)]


class CostConfig(Section):
    """The rates of the plan that `llm-auction run --dry-run` prints; they change no result."""

    parameters: float | None = Field(
        None, gt=0.0, description="Of the Ad-LLM, in billions; None reads its checkpoint, or its name (...-4B)."
    )
    cache_bytes: float | None = Field(
        None, gt=0.0, description="Of the keys and values of a token, in bfloat16; None reads the checkpoint's config."
    )
    gpu_memory: Annotated[float, Field(gt=0.0)] = Field(80.0, description="Of one GPU, in GB.")
    user_parameters: Annotated[float, Field(gt=0.0)] = Field(4.0, description="Of the User-LLM, in billions.")
    answer_tokens: Positive = Field(300, description="Expected length of an answer.")
    characters_per_token: Annotated[float, Field(gt=0.0)] = Field(
        4.0, description="Of prompts, where the tokenizer is not on this machine."
    )
    gpus: Positive = Field(1, description="GPUs that share the work.")
    gpu_tflops: Annotated[float, Field(gt=0.0)] = Field(989.0, description="Of one GPU; an H100's in dense bf16.")
    reading_utilisation: Utilisation = Field(0.4, description="Share of that rate when prompts are read.")
    writing_utilisation: Utilisation = Field(0.05, description="The same when answers are written, many at a time.")
    training_utilisation: Utilisation = Field(0.3, description="The same in training.")
    gpu_hour_price: Annotated[float, Field(ge=0.0)] = Field(3.0, description="In whatever currency you pay.")
