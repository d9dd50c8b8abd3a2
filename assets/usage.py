"""What a step's requests to model servers took, as metadata: requests, tokens, replies from the cache and lost ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_auction.generation.protocol import GenerationEngine
    from llm_auction.users import UserModel


def engine_usage(engine: GenerationEngine) -> dict[str, int]:
    """Of the server that drew the answers; nothing where they were drawn in this process."""
    from llm_auction.generation.server_engine import ServerEngine

    if not isinstance(engine, ServerEngine):
        return {}
    return {f"engine_{name}": count for name, count in asdict(engine.usage).items()}


def user_llm_usage(user: UserModel | None) -> dict[str, int]:
    """Of the User-LLM, its cache included; nothing where the user is another."""
    from llm_auction.users.llm_user import LlmUser

    if not isinstance(user, LlmUser):
        return {}
    counts = asdict(user.model.usage) | asdict(user.model.tally)
    return {f"user_llm_{name}": count for name, count in counts.items()}
