"""The profile of the run as a resource: every number that a run may choose."""

from __future__ import annotations

from dagster import ConfigurableResource
from pydantic import Field

from llm_auction.profiles import load_profile
from llm_auction.profiles.schema import Profile


class ProfileResource(ConfigurableResource):
    """Loads the profile by name; environment variables and `overrides` replace single fields, the latter win."""

    profile: str = Field(default="", description="smoke, laptop, paper; empty reads LLM_AUCTION_PROFILE.")
    overrides: dict[str, str] = Field(
        default_factory=dict,
        description='Single fields, such as {"dpo.epochs": "1"}. What decides who queues for the GPU (user.command, '
        "judge.command, pctr.encoder) belongs in the environment, which is read when the definitions are loaded: "
        "given here, the steps that it concerns are refused.",
    )

    def get(self) -> Profile:
        """The complete configuration; ValueError that names the field when a value is wrong."""
        return load_profile(self.profile or None, self.overrides)
