"""The base model: what is taken, and what is refused with one clear error."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from dagster import build_asset_context
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from assets.base import base_model_dir, inspect_model_dir, pretrained_ad_llm
from llm_auction.profiles.schema import AdLlmConfig
from resources.model_store import ModelStore
from resources.profile import ProfileResource

UNAUTHORIZED = httpx2.Response(401, request=httpx2.Request("GET", "https://hub/nobody/nothing"))


def test_local_directory_is_taken(tiny_model_dir: Path) -> None:
    assert base_model_dir(AdLlmConfig(base=str(tiny_model_dir))) == tiny_model_dir
    facts = inspect_model_dir(tiny_model_dir)
    assert facts["architecture"] == "Qwen3ForCausalLM"
    assert int(facts["context_tokens"]) > 0


@pytest.mark.parametrize(
    ("base", "message"),
    [
        *((path, f"ad_llm.base: there is no such directory: {path}") for path in ("./nowhere", "/nomodel", "~/a/b")),
        ("no-slash", "neither"),
        ("a/b/c", "neither"),
    ],
)
def test_what_is_neither_directory_nor_name_is_refused(base: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        base_model_dir(AdLlmConfig(base=base))


def test_hub_model_that_is_not_cached_says_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"can't get 'nobody/nothing' at revision abc .*HF_HUB_OFFLINE allows"):
        base_model_dir(AdLlmConfig(base="nobody/nothing", revision="abc"))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (GatedRepoError("401", response=UNAUTHORIZED), "accept its terms"),
        (RepositoryNotFoundError("404", response=UNAUTHORIZED), "check the name"),
        (LocalEntryNotFoundError("no connection"), "no network, and it is not in the cache"),
    ],
)
def test_an_unreachable_hub_model_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ValueError, match=f"can't get 'nobody/nothing' from the Hugging Face hub .*{advice}"):
        base_model_dir(AdLlmConfig(base="nobody/nothing"))


def test_the_commit_of_a_hub_model_is_kept(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a pinned revision nothing else says which model it was."""
    snapshot = shutil.copytree(tiny_model_dir, tmp_path / "snapshots" / "0123abcd")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot))
    store = ModelStore(data_dir=str(tmp_path / "data"))

    def metadata(base: str) -> Mapping[str, object]:
        profile = ProfileResource(profile="smoke", overrides={"ad_llm.base": base})
        result = pretrained_ad_llm(build_asset_context(), profile, store)
        return result.metadata  # type: ignore[attr-defined]

    assert metadata("org/model-1B")["commit"] == "0123abcd"
    _, kept = store.about("ad_llm", "base")
    assert (kept["source"], kept["commit"], kept["revision"]) == ("org/model-1B", "0123abcd", None)
    assert "commit" not in metadata(str(tiny_model_dir))


def test_a_half_written_shard_is_seen(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"ad_llm\.base: .*half-written or corrupt"):
        inspect_model_dir(copy)


@pytest.fixture
def copy(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def test_missing_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    with pytest.raises(ValueError, match=r"no config.json"):
        inspect_model_dir(copy)


def test_weights_that_may_run_code(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no safetensors weights \(it holds pytorch_model.bin, which may run code"):
        inspect_model_dir(copy)


def test_code_of_its_own_is_not_run(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copy / "config.json"
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | own))
    (copy / "own.py").write_text(f"open({str(copy / 'ran')!r}, 'w').close()\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 10))
    with pytest.raises(ValueError, match=r"ad_llm\.base: .* needs code of its own, which is not run") as refused:
        inspect_model_dir(copy)
    assert "trust_remote_code" not in str(refused.value)
    assert not (copy / "ran").exists()


def test_missing_tokenizer(copy: Path) -> None:
    for file in copy.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ValueError, match="no tokenizer"):
        inspect_model_dir(copy)


def test_missing_chat_template(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink(missing_ok=True)
    path = copy / "tokenizer_config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "chat_template"}))
    with pytest.raises(ValueError, match="no chat template"):
        inspect_model_dir(copy)


def test_a_template_that_refuses_the_system_role(copy: Path) -> None:
    refusing = "{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{%- endif %}"
    (copy / "chat_template.jinja").write_text(refusing)
    with pytest.raises(ValueError, match=r"the chat template .* system message.*System role not supported"):
        inspect_model_dir(copy)


def test_a_model_that_can_not_be_trained(copy: Path) -> None:
    """Sliding windows: it could be sampled, and only the training after two samplings would refuse it."""
    model = Gemma3ForCausalLM(
        Gemma3TextConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            vocab_size=320,
            sliding_window=8,
            layer_types=["sliding_attention", "full_attention"],
        )
    )
    model.save_pretrained(copy)
    with pytest.raises(ValueError, match=r"ad_llm\.base: Gemma3ForCausalLM has attention other than plain causal"):
        inspect_model_dir(copy)
    (copy / "config.json").write_text('{"model_type": "nobody-knows"}')
    with pytest.raises(ValueError, match=r"ad_llm\.base: .*(no causal language model|no tokenizer or config)"):
        inspect_model_dir(copy)
