"""The sections about one iteration of IRPO: bids, feedback, reward model, preferences, optimisation."""

from __future__ import annotations

import shlex
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from llm_auction.profiles.section import Positive, Section, Share


class BiddingConfig(Section):
    """Bids: uniform integers, drawn anew in each iteration and phase."""

    low: Annotated[int, Field(ge=0)] = Field(1, description="Lowest bid, currency units a click.")
    high: Annotated[int, Field(ge=0)] = Field(100, description="Highest bid.")
    target_roi: Annotated[float, Field(ge=1.0)] = Field(
        1.0, description="Value of a click to its advertiser, as a multiple of the bid; 1: bids are values."
    )

    @model_validator(mode="after")
    def _ordered(self) -> BiddingConfig:
        if self.low > self.high:
            raise ValueError(f"bidding.low ({self.low}) must not exceed bidding.high ({self.high})")
        return self


class FeedbackConfig(Section):
    """Phase 1 of an iteration: answers shown to users, and the guards on what comes back."""

    source: Literal["users", "click_log"] = Field(
        "users",
        description="users are simulated; click_log takes real answers of the deployed Ad-LLM and their clicks.",
    )
    first_day: date | None = Field(None, description="Of a click log; None takes all days before last_day.")
    last_day: date | None = Field(None, description="Of a click log; None takes all days after first_day.")
    max_logged_answers: Positive = Field(20_000, description="Of a click log with more, as many are drawn at random.")
    answers_per_query: Positive = Field(5, description="Answers shown to users for each training query.")
    min_ctr: Share = Field(0.02, description="Fewer clicks an ad stop the iteration.")
    max_ctr: Share = Field(0.98, description="So do more.")
    max_format_error_rate: Share = Field(0.5, description="Share of answers with a format error.")
    min_volume_share: Share = Field(0.99, description="Least answers, as a share of queries x answers_per_query.")
    conversion_hours: Annotated[float, Field(gt=0.0)] = Field(
        6.0,
        description="A conversion counts within this time after its answer, and younger answers teach nothing of "
        "conversions; an iteration is a day.",
    )


class PctrConfig(Section):
    """The reward model (Eq. 3, Eq. 4)."""

    encoder: str = Field(
        "hashing",
        description='"hashing", or a sentence-transformers model: a local directory, or a Hugging Face model name.',
    )
    encoder_revision: str | None = Field(None, description="Pinned revision of a Hugging Face model.")
    encoder_device: str = Field("auto", description='"auto" (a GPU when there is one), "cpu", "cuda" or "cuda:1".')
    encoder_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: float32 on a CPU, bfloat16 on a GPU."
    )
    encoder_batch_size: Positive = Field(32, description="Texts encoded together.")
    encoder_max_tokens: Positive | None = Field(
        None, description="A longer text is cut to it, with a warning; None takes as many as the model does."
    )
    user_dim: Positive = Field(64, description="Width of a user's embedding.")
    ad_dim: Positive = Field(32, description="Width of an ad's.")
    hidden: tuple[Positive, ...] = Field((128, 64, 32), description="Widths of the hidden layers.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(1e-3, description="Of AdamW.")
    batch_size: Positive = Field(256, description="Impressions a step.")
    max_epochs: Positive = Field(30, description="Most passes over the feedback.")
    patience: Positive = Field(4, description="Epochs without a better validation loss before it stops.")
    validation_share: Annotated[float, Field(gt=0.0, le=0.25)] = Field(
        0.1,
        description="Share of users held out to stop on, and as many to measure on; at most a quarter, since each of "
        "three networks stops on others.",
    )
    accumulate: bool = Field(True, description="Fit on the feedback of all iterations so far, not only the newest.")
    answer_features: bool = Field(True, description="Whether the model reads the answer; False for an ablation.")
    refit: bool = Field(True, description="False keeps the model of iteration 01 for all later ones (an ablation).")


class RewardConfig(Section):
    """What an answer is worth (Eq. 5): what bids are for, and the weights of `llm_auction.objective.Penalty`."""

    lambda_: Annotated[float, Field(ge=0.0)] = Field(1.0, description="Weight of the whole penalty against revenue.")
    ad_weight: Annotated[float, Field(ge=0.0)] = Field(4.0, description="Price of every ad.")
    error_weight: Annotated[float, Field(ge=0.0)] = Field(20.0, description="Price of every format error.")
    fidelity_weight: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="Price of an ad about which the text says nothing but what the ad does not say of itself."
    )
    length_weight: Annotated[float, Field(ge=0.0)] = Field(0.0, description="Price of a word beyond free_words.")
    free_words: Annotated[int, Field(ge=0)] = Field(30, description="Words of an answer that cost nothing.")
    repetition_weight: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="Price of an answer that is all repetition; a share of it for repeated word triples."
    )
    bids_on: Literal["clicks", "conversions"] = Field(
        "clicks", description="What is worth a bid: a click, or conversions (value = bid x pCTR x pCVR)."
    )
    conversion_worth: Annotated[float, Field(gt=0.0)] = Field(
        5.0, description="What a conversion is worth, in bids: about the clicks that one takes."
    )


class PreferenceConfig(Section):
    """Phase 2: M answers a query under fresh bids, the winner and the losers."""

    answers_per_query: Annotated[int, Field(ge=2)] = Field(10, description="M: answers drawn for each training query.")
    temperature: float | None = Field(None, gt=0.0, description="Of these answers only; None takes sampling's.")
    top_p: float | None = Field(None, gt=0.0, le=1.0, description="Of these answers only; None takes sampling's.")
    delta_th: Annotated[float, Field(ge=0.0)] = Field(10.0, description="Least reward gap of a loser to the winner.")
    rewards_from: Literal["pctr", "user"] = Field(
        "pctr", description="Whose click probabilities the rewards take: the reward model's, or the user model's own."
    )


class DpoConfig(Section):
    """Preference optimisation (Eq. 6)."""

    beta: Annotated[float, Field(gt=0.0)] = Field(0.1, description="How closely the model stays to the reference.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(6e-4, description="Of AdamW, at its highest.")
    epochs: Positive = Field(2, description="Passes over the preference sets.")
    prompts_per_step: Positive = Field(16, description="Preference sets a step.")
    warmup_share: Share = Field(0.1, description="Share of the steps in which the learning rate rises.")
    sft_weight: Annotated[float, Field(ge=0.0)] = Field(
        40.0, description="Weight of the winner's negative log-likelihood per token; 0 switches it off."
    )
    reference: Literal["start", "base"] = Field(
        "start", description="pi_ref of Eq. 6: the model at the iteration's start, or the pretrained one throughout."
    )
    lora_rank: Annotated[int, Field(ge=0)] = Field(
        0, description="Rank of LoRA adapters in all linear layers, merged at the end; 0 trains every weight."
    )
    lora_alpha: Positive = Field(32, description="Their scale is alpha / rank.")
    max_kl: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Stop early above this KL to the reference, nats an answer."
    )
    checkpoint_steps: Positive = Field(
        50, description="Steps between checkpoints, from which a killed training goes on."
    )
    micro_batch_tokens: Positive = Field(
        4096, description="Most tokens in one forward pass, unless a prompt and its answers have more; bounds memory."
    )
    attention: Literal["split", "flex"] = Field(
        "split", description="How packed prompts attend: prompt by prompt anywhere, or by FlexAttention on a GPU."
    )
    activation_checkpointing: bool = Field(
        False, description="Recompute activations in the backward pass: far less memory for about a third more time."
    )

    @classmethod
    def execution(cls) -> set[str]:
        """The fields that change how a training is computed, and no result beyond rounding."""
        return {"checkpoint_steps", "micro_batch_tokens", "attention", "activation_checkpointing"}


class LauncherConfig(Section):
    """How a preference optimisation is started; changes no result beyond rounding."""

    mode: Literal["inline", "subprocess"] = Field(
        "inline", description="Inside the step, or in processes of its own, which free the GPU when they end."
    )
    processes: Positive = Field(1, description="Processes of mode subprocess, one a GPU; torchrun starts them.")
    command: str | None = Field(
        None,
        description="Starts them in torchrun's place: `{python}` and `{script}` are filled in; no shell reads it.",
    )

    @model_validator(mode="after")
    def _processes_of_their_own(self) -> LauncherConfig:
        if self.mode == "inline" and (self.processes > 1 or self.command is not None):
            raise ValueError("processes and command need mode subprocess: inside the step there is one process")
        if self.command is not None and "{script}" not in shlex.split(self.command):
            raise ValueError(
                "command must hold the word {script}, as in `accelerate launch --num_processes 4 {script}`"
            )
        return self
