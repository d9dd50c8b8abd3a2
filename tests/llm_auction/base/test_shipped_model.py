"""The model that ships with the package: an ordinary checkpoint that copies ads of catalogs it has never seen."""

from __future__ import annotations

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_auction.base import embedded_model_dir
from llm_auction.base.acceptance import measure
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig


def test_it_is_an_ordinary_hugging_face_directory() -> None:
    folder = embedded_model_dir()
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == "qwen3"
    assert len(tokenizer) <= model.config.vocab_size
    assert tokenizer.chat_template
    assert not [path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]


@pytest.mark.parametrize(("foreign", "least"), [(False, 0.9), (True, 0.8)])
def test_most_of_what_it_inserts_is_valid_and_it_stops_by_itself(foreign: bool, least: float) -> None:
    engine = TransformersEngine(embedded_model_dir())
    figures = measure(engine, 6, foreign=foreign, prompts=40, seed=3, sampling=SamplingConfig(max_new_tokens=200))
    assert figures.valid_share > least
    assert 0.3 < figures.ads_per_answer < 4
    assert figures.unfinished_share < 0.1
