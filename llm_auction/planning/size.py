"""How large the Ad-LLM is: from its checkpoint where it is here, else from its name or the configuration."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

BFLOAT16_BYTES = 2
_BILLIONS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?B(?![a-zA-Z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Parameters of a model and where the number comes from; where they are known, its context and its cache.

    `context` is in tokens, `cache_bytes` what the keys and values of one token take in bfloat16.
    """

    parameters: float
    source: str
    context: int | None = None
    cache_bytes: float | None = None


def size_of(name: str, folder: Path | None, billions: float | None, cache_bytes: float | None = None) -> ModelSize:
    """The size of the model `name`, whose directory is `folder` where it is on this machine.

    `billions` of parameters and `cache_bytes` a token come from the configuration, and win.

    Raises:
        ValueError: neither the checkpoint is here, nor does the name say (`...-4B-...`), nor the configuration.
    """
    context = None
    if folder is not None:
        config = _text_config(folder)
        context, cache_bytes = _context(config), cache_bytes or _cache_bytes(config)
    if billions is not None:
        return ModelSize(billions * 1e9, "cost.parameters", context, cache_bytes)
    if folder is not None:
        parameters = float(sum(map(_count, folder.glob("*.safetensors"))))
        return ModelSize(parameters, "its checkpoint", context, cache_bytes)
    named = _BILLIONS.search(name)
    if named is None:
        raise ValueError(
            f"the size of {name!r} is not known: its checkpoint is not here and its name says none; set "
            "cost.parameters (in billions)"
        )
    return ModelSize(float(named[1]) * 1e9, "its name", None, cache_bytes)


def _text_config(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = config.get("text_config", config)
    return found


def _context(config: Mapping[str, Any]) -> int | None:
    found = config.get("max_position_embeddings")
    return int(found) if found else None


def _cache_bytes(config: Mapping[str, Any]) -> float | None:
    layers, heads = config.get("num_hidden_layers"), config.get("num_attention_heads")
    if not layers or not heads:
        return None
    size = config.get("head_dim") or config["hidden_size"] // heads
    return float(2 * layers * (config.get("num_key_value_heads") or heads) * size * BFLOAT16_BYTES)


def _count(weights: Path) -> int:
    """The parameters in a safetensors file, by its header."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
