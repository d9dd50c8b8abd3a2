"""Versioned prompt templates: folders `<kind>_v<n>` beside this file, with `system.txt` and `user.txt`.

A template is never changed once results rest on it; another wording is another version. What is put into one is
untrusted text of ads, users and models: it is written on one line or as JSON, and a chat marker such as `<|im_end|>`
inside it is broken up, so that it can't end the message it stands in.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from llm_auction.chat_markers import without_markers

Messages = list[dict[str, str]]

_WHITESPACE = re.compile(r"\s+")


def render(kind: str, name: str, **fields: str) -> Messages:
    """The chat messages of the template `name`, with `fields` put into its user message.

    Raises:
        ValueError: there is no such template of this kind.
    """
    return [
        {"role": "system", "content": _template(kind, name, "system").template.strip()},
        {"role": "user", "content": _template(kind, name, "user").substitute(fields).strip()},
    ]


def one_line(text: str) -> str:
    """Untrusted text as one line without chat markers."""
    return without_markers(_WHITESPACE.sub(" ", text).strip())


def as_json(value: Any) -> str:
    """Untrusted texts as JSON on one line without chat markers."""
    return without_markers(json.dumps(value, ensure_ascii=False))


@cache
def _template(kind: str, name: str, part: str) -> Template:
    folder = files("llm_auction.prompts")
    if not re.fullmatch(rf"{kind}_v\d+", name) or not (folder / name / f"{part}.txt").is_file():
        known = sorted(entry.name for entry in folder.iterdir() if re.fullmatch(rf"{kind}_v\d+", entry.name))
        raise ValueError(f"no prompt template {name!r} for {kind}; there are {', '.join(known)}")
    return Template((folder / name / f"{part}.txt").read_text(encoding="utf-8"))
