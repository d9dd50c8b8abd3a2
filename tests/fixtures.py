"""Shared fixtures: a small world of objects that many tests need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face directory of the embedded architecture with random weights: right format, no skill."""
    from llm_auction.base.architecture import CONTEXT, build_model
    from llm_auction.base.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("tiny-model")
    texts = ['{"bid": 57, "category": "hiking boots", "title": "Ridgeway Trail Shoes", "id": "Ad-1207"}\n'] * 50
    tokenizer = train_tokenizer(texts, vocabulary=480, context=CONTEXT)
    build_model(tokenizer, hidden=64, layers=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """Dagster's records, in memory."""
    from dagster import DagsterInstance

    with DagsterInstance.ephemeral() as made:
        yield made
