"""Clients of model servers, as the configuration describes them."""

import os
from typing import TYPE_CHECKING

from llm_auction.profiles.schema import ServerConfig

if TYPE_CHECKING:
    from llm_auction.serving import ChatClient
    from resources.model_server import ModelServer


def client_of(config: ServerConfig, url: str, model: str, server: "ModelServer | None" = None) -> "ChatClient":
    """A client with the limits of the configuration; `server` explains errors where the server is ours."""
    from llm_auction.serving import ChatClient

    return ChatClient(
        url,
        model,
        dialect=config.dialect,
        concurrency=config.concurrency,
        timeout=config.timeout_seconds,
        attempts=config.attempts,
        api_key=api_key_of(config),
        explain=None if server is None else server.explain,
    )


def api_key_of(config: ServerConfig) -> str | None:
    """The API key in the variable that the configuration names.

    Raises:
        ValueError: it is not set.
    """
    if config.api_key_variable is None:
        return None
    key = os.environ.get(config.api_key_variable)
    if not key:
        raise ValueError(f"api_key_variable names {config.api_key_variable}, which is not set in the environment")
    return key
