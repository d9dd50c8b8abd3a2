"""The body of a chat request, in the fields that each kind of server knows.

OpenAI's protocol has no top-k. vLLM, SGLang and Ray Serve LLM take it as a field of the request; `transformers serve`
refuses unknown fields and takes a generation configuration as JSON text, which then replaces the checkpoint's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_auction.prompts import Messages

Dialect = Literal["vllm", "transformers", "openai"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen; `top_k` = 0 keeps every token. `eos_token_ids` end an answer, where we know them."""

    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    eos_token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One answer to be drawn. `schema` is a JSON schema that the text must match, for servers that can enforce it."""

    messages: Messages
    decoding: Decoding
    seed: int
    schema: Mapping[str, Any] | None = field(default=None, hash=False)


def request_body(request: ChatRequest, model: str, dialect: Dialect) -> dict[str, Any]:
    """The JSON body of `POST /v1/chat/completions`.

    Raises:
        ValueError: the dialect can't express the decoding.
    """
    decoding = request.decoding
    begun = request.messages[-1]["role"] == "assistant"
    if begun and dialect != "vllm":
        raise ValueError(f"a server of the dialect {dialect} can't go on with a begun answer: use vLLM or SGLang")
    body: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "seed": request.seed % 2**31,  # servers take 32 or 64 bits; these are in all of them
    }
    if dialect == "transformers":
        return body | {"max_tokens": decoding.max_new_tokens, **_generation_config(decoding)}
    if request.schema is not None:
        schema = {"name": "reply", "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if dialect == "openai":
        if decoding.top_k:
            raise ValueError(
                f"top_k = {decoding.top_k} can't be asked of a server of the dialect openai: set it to 0, or the "
                "dialect to vllm if the server knows the field"
            )
        return body | {"max_completion_tokens": decoding.max_new_tokens}
    return body | {
        "max_tokens": decoding.max_new_tokens,
        "chat_template_kwargs": {"enable_thinking": False},  # templates without the variable ignore it
        "top_k": decoding.top_k or -1,
        "return_token_ids": True,  # vLLM tells the very tokens it drew; others ignore the field
        **({"continue_final_message": True, "add_generation_prompt": False} if begun else {}),
    }


def _generation_config(decoding: Decoding) -> dict[str, str]:
    eos: Sequence[int] = decoding.eos_token_ids
    if not eos:
        return {}
    fields = {"do_sample": True, "top_k": decoding.top_k, "eos_token_id": list(eos), "pad_token_id": eos[0]}
    return {"generation_config": json.dumps(fields)}
