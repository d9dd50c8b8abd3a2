"""From chat messages to token ids, and whether prompt and answer fit the model's context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_auction.generation.protocol import Messages


def encode_prompts(tokenizer: Any, prompts: Sequence[Messages]) -> list[list[int]]:
    """Token ids of the prompts in the model's chat template, and of what their answers begin with.

    A last message of the assistant is the beginning of the answer: the next token goes on from it.
    """
    if not prompts:
        return []
    texts = []
    for messages in prompts:
        begun = messages[-1]["role"] == "assistant"
        asked = messages[:-1] if begun else messages
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        texts.append(prompt + messages[-1]["content"] if begun else prompt)
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def check_context(config: Any, prompts: Sequence[Sequence[int]], new_tokens: int) -> None:
    """Raise ValueError, saying by how much, unless every prompt and `new_tokens` more fit the context of `config`."""
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    longest = max(map(len, prompts), default=0)
    if context is not None and longest + new_tokens > context:
        raise ValueError(
            f"the model's context of {context} tokens is {longest + new_tokens - context} tokens too short: the "
            f"longest prompt has {longest} and max_new_tokens is {new_tokens}. Use fewer candidates "
            "(candidates.per_query), fewer new tokens (sampling.max_new_tokens) or a model with a longer context"
        )
