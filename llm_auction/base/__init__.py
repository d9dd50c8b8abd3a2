"""The embedded Ad-LLM: a tiny Qwen3 model that ships with the project, and how it was made."""

from __future__ import annotations

from pathlib import Path


def embedded_model_dir() -> Path:
    """The Hugging Face directory of the shipped model; its `README.md` is the model card."""
    return Path(__file__).parent / "model"
