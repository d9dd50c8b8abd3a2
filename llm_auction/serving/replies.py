"""Reading what a server sends back: untrusted bytes in, a completion or one clear error out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

# More than any answer of 2,048 tokens with all its token ids; what is longer is not an answer.
MAX_REPLY_BYTES = 8 * 1024 * 1024
_SHOWN = 200  # characters of a server's own words in an error


class ServerError(RuntimeError):
    """The server can't be used: down, overloaded beyond our patience, or not what the configuration says it is."""


class RequestRefused(RuntimeError):
    """The server works but does not take this very request, such as one beyond its context length."""


class BadReply(RuntimeError):
    """A reply that is no chat completion: cut JSON, an HTML page, no or several choices, no text."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One chat completion.

    `finished` is False when the token limit cut it. `token_ids` are the sampled tokens where the server tells them
    (end-of-sequence included), else None. The token counts are the server's own, 0 where it gives none.
    """

    text: str
    finished: bool
    token_ids: tuple[int, ...] | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


def read_completion(body: bytes, content_type: str) -> Completion:
    """The one completion of a reply with status 200.

    Raises:
        BadReply: it is anything else.
    """
    reply = _json_object(body, content_type)
    choices = reply.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        found = len(choices) if isinstance(choices, list) else "no list of"
        raise BadReply(f"one choice was asked for, the reply has {found} choices")
    choice = choices[0]
    reason = choice.get("finish_reason")
    if reason not in ("stop", "length"):
        raise BadReply(f"the answer ended for the reason {_shown(reason)}, neither stop nor length")
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        raise BadReply("the choice has no text")
    if not content and reason == "length":
        raise BadReply("the text is empty although the token limit cut it")
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(
        # Half of a surrogate pair is legal in JSON and can't be written as UTF-8 anywhere.
        text=content.encode("utf-8", "replace").decode("utf-8"),
        finished=reason == "stop",
        token_ids=_token_ids(choice.get("token_ids")),
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
    )


def error_text(body: bytes) -> str:
    """What a reply with an error status says, short and on one line, whatever its format."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return _shown(body[: 4 * _SHOWN].decode("utf-8", "replace"))
    for key in ("error", "detail", "message"):
        while isinstance(content, dict) and key in content:
            content = content[key]
    if isinstance(content, dict):
        content = content.get("message", content)
    return _shown(content)


def _json_object(body: bytes, content_type: str) -> dict[str, Any]:
    if "json" not in content_type.lower():
        raise BadReply(
            f"the reply is {content_type or 'of no type'}, not JSON: {_shown(body[:400].decode('utf-8', 'replace'))}"
        )
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadReply(f"the reply's JSON is broken or cut short ({_shown(error)})") from None
    if not isinstance(reply, dict):
        raise BadReply(f"the reply is JSON but no object: {_shown(reply)}")
    return reply


def _token_ids(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not value:
        return None
    return tuple(value) if all(type(token) is int and token >= 0 for token in value) else None


def _count(value: object) -> int:
    return value if type(value) is int and value >= 0 else 0


def _shown(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
