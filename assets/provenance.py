"""What an iteration's model was made of: the market's data versions and the settings that shape it."""

from __future__ import annotations

from typing import Any

from llm_auction.profiles.schema import DpoConfig, JudgeConfig, Profile, UserConfig
from resources.lake import Lake

MARKET_TABLES = ("ad_catalog", "user_profiles", "user_queries", "ad_candidates")
# How many iterations and arms there are, how they are evaluated, and real logs change no single iteration; which engine
# draws the answers and who starts the training change no distribution.
NOT_OF_AN_ITERATION = {
    "name",
    "iterations",
    "arms",
    "evaluation",
    "judge",
    "properties",
    "ablations",
    "click_log",
    "click_log_guards",
    "nightly",
    "off_policy",
    "engine",
    "launcher",
    "cost",
}
# Where an LLM is served, and how it is asked, changes none of its judgements; what a training computes at a time,
# nothing but rounding.
WAYS_TO_THE_SAME = {
    "user": UserConfig.transport(),
    "judge": JudgeConfig.transport(),
    "dpo": DpoConfig.execution(),
}


def market_versions(lake: Lake) -> dict[str, str]:
    """The content hash of each market table; MissingPartition when one is not there."""
    return {table: lake.data_version(table) for table in MARKET_TABLES}


def iteration_settings(profile: Profile) -> dict[str, Any]:
    """The part of a profile that shapes an iteration, as plain values."""
    return profile.model_dump(mode="json", exclude={**WAYS_TO_THE_SAME, **dict.fromkeys(NOT_OF_AN_ITERATION, True)})
