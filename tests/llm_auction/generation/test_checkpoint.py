"""Every way in which a model directory can be unusable has one clear error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_auction.generation.checkpoint import ModelDirectoryError, load_model, load_tokenizer
from llm_auction.generation.transformers_engine import TransformersEngine


@pytest.fixture
def broken(model_dir: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(model_dir, tmp_path / "broken"))


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelDirectoryError, match="does not exist"):
        TransformersEngine(tmp_path / "nothing")


def test_without_config(broken: Path) -> None:
    (broken / "config.json").unlink()
    with pytest.raises(ModelDirectoryError, match=r"no config\.json"):
        load_model(broken)


def test_cut_config(broken: Path) -> None:
    (broken / "config.json").write_text('{"model_type": "qw')
    with pytest.raises(ModelDirectoryError, match=r"config\.json is not valid JSON"):
        load_model(broken)


def test_without_weights(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    with pytest.raises(ModelDirectoryError, match=r"no model\.safetensors"):
        load_model(broken)


def test_cut_weights(broken: Path) -> None:
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelDirectoryError, match="half-written or corrupt"):
        load_model(broken)


def test_missing_shard(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}
    (broken / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelDirectoryError, match=r"model-00001-of-00002\.safetensors is missing"):
        load_model(broken)


def test_pickle_is_refused(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    torch.save({}, broken / "pytorch_model.bin")
    with pytest.raises(ModelDirectoryError, match=r"pickle \(pytorch_model\.bin\)"):
        load_model(broken)


def test_without_chat_template(broken: Path) -> None:
    (broken / "chat_template.jinja").unlink()
    with pytest.raises(ModelDirectoryError, match="no chat template"):
        load_tokenizer(broken)


HYBRID = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n"
    "{%- if enable_thinking is defined and enable_thinking is false %}<think></think>{%- endif %}{%- endif %}"
)


def test_a_model_that_may_think_is_told_not_to(broken: Path, tmp_path: Path) -> None:
    (broken / "chat_template.jinja").write_text(HYBRID)
    question = [{"role": "user", "content": "q"}]

    def prompt(tokenizer: Any) -> str:
        return str(tokenizer.apply_chat_template(question, add_generation_prompt=True, tokenize=False))

    tokenizer = load_tokenizer(broken)
    assert prompt(tokenizer).endswith("<think></think>")
    tokenizer.save_pretrained(tmp_path / "trained")
    again = load_tokenizer(tmp_path / "trained")
    assert (again.chat_template, prompt(again)) == (tokenizer.chat_template, prompt(tokenizer))


def test_without_tokenizer(broken: Path) -> None:
    for path in broken.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelDirectoryError, match="no usable tokenizer"):
        load_tokenizer(broken)
