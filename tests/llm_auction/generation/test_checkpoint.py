"""Every way in which a model directory can be unusable has one clear error."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_auction.generation.checkpoint import (
    ModelDirectoryError,
    empty_model,
    load_config,
    load_model,
    load_tokenizer,
)
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


@pytest.fixture
def with_code(broken: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of an architecture that only its own code knows, and somebody who says yes to whatever is asked."""
    config = json.loads((broken / "config.json").read_text())
    code = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel", "AutoTokenizer": "own.OwnTokenizer"}
    own = {"model_type": "own", "architectures": ["OwnModel"], "auto_map": code}
    (broken / "config.json").write_text(json.dumps(config | own))
    names = json.loads((broken / "tokenizer_config.json").read_text())
    tokenizer = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    (broken / "tokenizer_config.json").write_text(json.dumps(names | tokenizer))
    (broken / "own.py").write_text(f"open({str(broken / 'ran')!r}, 'w').close()\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 10))
    return broken


@pytest.mark.parametrize("load", [load_model, load_config, empty_model, load_tokenizer])
def test_code_of_a_directory_is_never_run(
    with_code: Path, load: Callable[[Path], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="needs code of its own, which is not run") as refused:
        load(with_code)
    assert "trust_remote_code" not in str(refused.value)
    assert "[y/N]" not in capfd.readouterr().out
    assert not (with_code / "ran").exists()


def test_code_beside_an_architecture_that_is_known_is_left_alone(broken: Path) -> None:
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "own.OwnConfig"}}))
    (broken / "own.py").write_text("raise RuntimeError")
    assert load_model(broken).config.model_type == config["model_type"]
