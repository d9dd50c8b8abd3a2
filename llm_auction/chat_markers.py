"""The marks between the messages of a chat, which must not stand whole in the text of one: it could end its message.

Chat templates put plain text between a model's special tokens, and the tokenizer reads the whole: `</s>` in the title
of an ad is then the end of the prompt. Here are the marks of the families of models that are in use, whichever of them
reads the text; those of one tokenizer are broken up where prompts are encoded (`llm_auction.generation.prompting`).
"""

from __future__ import annotations

import re

# `<|im_end|>`, `<turn|>`, DeepSeek's `<｜User｜>` with its wide bars, `</s>`, `<start_of_turn>`, `[/INST]`, `<<SYS>>`.
MARKER = re.compile(
    r"<[|｜]|<\w{1,40}[|｜]>|<<?/?SYS>>?|\[/?(?:INST|SYSTEM_PROMPT)\]"
    r"|</?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|think|tool_call|tool_response|im_start|im_end)>"
)


def without_markers(text: str) -> str:
    """Text in which no chat marker is left whole: a space stands behind its first character."""
    return MARKER.sub(lambda marker: f"{marker[0][0]} {marker[0][1:]}", text)
