"""How large the Ad-LLM is: from its checkpoint where it is here, else from its name or the configuration."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

_BILLIONS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?B(?![a-zA-Z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Parameters of a model, where the number comes from, and its context in tokens where that is known."""

    parameters: float
    source: str
    context: int | None = None


def size_of(name: str, folder: Path | None, billions: float | None) -> ModelSize:
    """The size of the model `name`, whose directory is `folder` where it is on this machine.

    Raises:
        ValueError: neither the checkpoint is here, nor does the name say (`...-4B-...`), nor the configuration.
    """
    context = None if folder is None else _context(folder)
    if billions is not None:
        return ModelSize(billions * 1e9, "cost.parameters", context)
    if folder is not None:
        return ModelSize(float(sum(map(_count, folder.glob("*.safetensors")))), "its checkpoint", context)
    named = _BILLIONS.search(name)
    if named is None:
        raise ValueError(
            f"the size of {name!r} is not known: its checkpoint is not here and its name says none; set "
            "cost.parameters (in billions)"
        )
    return ModelSize(float(named[1]) * 1e9, "its name")


def _context(folder: Path) -> int | None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = config.get("text_config", config).get("max_position_embeddings")
    return int(found) if found else None


def _count(weights: Path) -> int:
    """The parameters in a safetensors file, by its header."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
