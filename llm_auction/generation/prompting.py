"""From chat messages to token ids, and whether prompt and answer fit the model's context."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llm_auction.generation.protocol import Messages


def encode_prompts(tokenizer: Any, prompts: Sequence[Messages]) -> list[list[int]]:
    """Token ids of the prompts in the model's chat template, and of what their answers begin with.

    A last message of the assistant is the beginning of the answer: the next token goes on from it. In the others no
    special token is left whole, see `without_special_tokens`.
    """
    if not prompts:
        return []
    texts = []
    for messages in without_special_tokens(tokenizer, prompts):
        begun = messages[-1]["role"] == "assistant"
        asked = messages[:-1] if begun else messages
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        texts.append(prompt + messages[-1]["content"] if begun else prompt)
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def without_special_tokens(tokenizer: Any, prompts: Sequence[Messages]) -> list[Messages]:
    """The prompts, with a space behind the first character of each special token of `tokenizer` in their text.

    The chat template's own are the only ones that a model then reads. The beginning of an answer stays as it is.
    """
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    # Of one character there would be nothing to break.
    special = sorted(token for token in added | set(tokenizer.all_special_tokens) if len(token) > 1)
    if not special:
        return list(prompts)
    first = re.compile("|".join(f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in special))
    return [
        [
            message
            if message["role"] == "assistant" and place == len(messages)
            else {**message, "content": first.sub(r"\g<0> ", message["content"])}
            for place, message in enumerate(messages, start=1)
        ]
        for messages in prompts
    ]


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
