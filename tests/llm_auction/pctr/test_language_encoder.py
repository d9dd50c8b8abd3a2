"""A language model as text encoder, really loaded: a tiny Qwen3 of random weights, saved as Qwen3-Embedding is."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from llm_auction.pctr.encoders import open_encoder
from llm_auction.pctr.features import TEXT_ROLES, build_features, placements_of, topics_of
from llm_auction.pctr.fit import fit_pctr
from llm_auction.pctr.language_encoder import EncoderPlacement, LanguageModelEncoder
from llm_auction.pctr.model import PctrModel
from llm_auction.profiles.schema import PctrConfig
from tests.benchmarks.tiny_qwen3 import write_tiny_qwen3
from tests.llm_auction.pctr.simulated_market import simulate

INSTRUCTION = "Instruct: find what answers\nQuery:"
TEXTS = ["What is a good way to plan a trip?", "", "Quiet Blender", "Books, music and gardens. " * 5]
DIMENSION = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoModel

    target = write_tiny_qwen3(tmp_path_factory.mktemp("encoder") / "tiny")
    AutoModel.from_pretrained(target).save_pretrained(target)  # without an output layer
    core = Tokenizer.from_file(str(target / "tokenizer.json"))
    end = "<|endoftext|>"  # behind every text, where its vector is read
    core.post_processor = TemplateProcessing(single=f"$A {end}", special_tokens=[(end, core.token_to_id(end))])
    core.save(str(target / "tokenizer.json"))
    write(target / "modules.json", [part("Transformer", 0), part("Pooling", 1), part("Normalize", 2)])
    write(target / "1_Pooling" / "config.json", {"word_embedding_dimension": DIMENSION, "pooling_mode_lasttoken": True})
    write(target / "config_sentence_transformers.json", {"prompts": {"query": INSTRUCTION, "document": ""}})
    return target


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> LanguageModelEncoder:
    return LanguageModelEncoder(str(folder), runs=EncoderPlacement(device="cpu", batch_size=2))


def part(kind: str, number: int) -> dict[str, object]:
    path = f"{number}_{kind}" if number else ""
    return {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def last_states(folder: Path, text: str) -> np.ndarray:
    """(tokens, dimension) hidden states of one text in a pass of its own."""
    from transformers import AutoModel, AutoTokenizer

    with torch.inference_mode():
        tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
        return AutoModel.from_pretrained(folder)(**tokens).last_hidden_state[0].numpy()


def test_a_text_is_the_unit_vector_of_its_last_token(folder: Path, encoder: LanguageModelEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (4, DIMENSION) and vectors.dtype == np.float32 and encoder.dimension == DIMENSION
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1, 1], atol=1e-5)  # no words, no vector
    for text, vector in zip(TEXTS, vectors, strict=True):
        if text:
            expected = last_states(folder, text)[-1]
            np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)
    assert encoder.encode([]).shape == (0, DIMENSION)


def test_the_same_texts_have_the_same_vectors(folder: Path, encoder: LanguageModelEncoder) -> None:
    again = LanguageModelEncoder(str(folder), runs=EncoderPlacement(device="cpu", batch_size=2))
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))
    alone = LanguageModelEncoder(str(folder), runs=EncoderPlacement(device="cpu", batch_size=1))
    np.testing.assert_allclose(alone.encode(TEXTS), encoder.encode(TEXTS), atol=1e-5)


def test_a_question_is_read_behind_the_models_instruction(encoder: LanguageModelEncoder) -> None:
    asked = encoder.encode_queries(TEXTS[:2])
    np.testing.assert_allclose(asked, encoder.encode([INSTRUCTION + TEXTS[0], ""]), atol=1e-6)
    assert asked[0] @ encoder.encode(TEXTS[:1])[0] < 0.999


@pytest.mark.parametrize("config", [{"pooling_mode_mean_tokens": True}, {"pooling_mode": "mean"}])
def test_tokens_are_pooled_as_the_directory_says(copy: Path, config: dict[str, object]) -> None:
    write(copy / "1_Pooling" / "config.json", {"embedding_dimension": DIMENSION, **config})
    vectors = LanguageModelEncoder(str(copy), runs=EncoderPlacement(device="cpu")).encode(TEXTS[2:])
    expected = last_states(copy, TEXTS[2]).mean(axis=0)
    np.testing.assert_allclose(vectors[0], expected / np.linalg.norm(expected), atol=1e-5)


def test_a_long_text_is_cut_and_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    short = LanguageModelEncoder(str(folder), max_tokens=8, runs=EncoderPlacement(device="cpu"))
    vectors = short.encode([TEXTS[3], TEXTS[3] + "more"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert "2 of 2 texts are longer than the 8 tokens" in caplog.text


def test_the_reward_model_reads_and_keeps_its_encoder(folder: Path, tmp_path: Path) -> None:
    market = simulate(60, seed=3, users=20)
    opened = open_encoder(str(folder))
    topics = topics_of(market.impressions, placements_of(market.impressions))
    features = build_features(market.impressions, opened, topics)
    assert features.vectors.shape == (int(features.text.max()) + 1, DIMENSION)
    row = features.text[0, TEXT_ROLES.index("query")]
    np.testing.assert_allclose(
        features.vectors[row], opened.encode_queries([market.impressions[0].query])[0], atol=1e-5
    )

    config = PctrConfig(encoder=str(folder), encoder_max_tokens=64, encoder_batch_size=16, max_epochs=1)
    fitted = fit_pctr(market.impressions, market.clicked, config, 0, members=1).model
    fitted.save(tmp_path / "model")
    loaded = PctrModel.load(tmp_path / "model", EncoderPlacement.of(config))
    assert loaded.settings.encoder_max_tokens == 64 and loaded.settings.text_dim == DIMENSION
    np.testing.assert_array_equal(loaded.predict(market.impressions), fitted.predict(market.impressions))


def rename_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "there is no such directory"),
        (rename_weights, r"only as a pickle \(pytorch_model\.bin\).*save the model with safetensors"),
        (lambda folder: (folder / "modules.json").unlink(), r"modules\.json is missing: not a directory that sentence"),
        (lambda folder: (folder / "modules.json").write_text("{"), r"modules\.json is not a list of modules"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
    ],
)
def test_an_unusable_directory_is_named_with_its_fault(
    copy: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(copy)
    with pytest.raises(ValueError, match=rf"^pctr\.encoder: .*{message}"):
        LanguageModelEncoder(str(copy))


def test_a_model_that_can_not_be_had_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"pctr\.encoder: can't get 'nobody/nothing' at revision abc .*HF_HUB_OFFLINE"):
        LanguageModelEncoder("nobody/nothing", "abc")


def test_without_its_package_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r"llm-auction\[encoders\]"):
        LanguageModelEncoder(str(folder))


def test_settings_that_do_not_fit_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"pctr\.encoder_max_tokens is 9000, and .* takes 4096 tokens at most"):
        LanguageModelEncoder(str(folder), max_tokens=9000)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=r"pctr\.encoder_device is cuda:1, but .* sees no CUDA GPU"):
        LanguageModelEncoder(str(folder), runs=EncoderPlacement(device="cuda:1"))
