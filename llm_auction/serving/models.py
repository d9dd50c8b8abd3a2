"""Which models a running server has."""

from __future__ import annotations

import httpx2

from llm_auction.serving.client import is_local
from llm_auction.serving.replies import ServerError, error_text

_SECONDS = 30.0


def served_models(url: str, api_key: str | None = None) -> list[str]:
    """The names that `GET {url}/v1/models` lists.

    Raises:
        ServerError: no answer, or one that is no list of models.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    address = f"{url.rstrip('/').removesuffix('/v1')}/v1/models"
    try:
        response = httpx2.get(address, headers=headers, timeout=_SECONDS, trust_env=not is_local(url))
    except httpx2.RequestError as error:
        raise ServerError(
            f"{address} can't be reached ({type(error).__name__} {error}): is the server running?"
        ) from None
    if response.status_code != 200:
        raise ServerError(f"{address}: status {response.status_code}: {error_text(response.content)}")
    try:
        return [entry["id"] for entry in response.json()["data"] if isinstance(entry["id"], str)]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ServerError(f"{address} lists no models: {error_text(response.content)}") from None
