"""`llm-auction run --dry-run`: the plan, and every problem that can be seen before anything runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workflows.cli.app import app


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(profile: str, *fields: str) -> tuple[int, str]:
        settings = [part for field in fields for part in ("--set", field)]
        result = CliRunner().invoke(app, ["run", "--profile", profile, "--dry-run", *settings])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert not (tmp_path / "data").exists()
        return result.exit_code, result.output

    return run


def test_the_plan_of_the_embedded_model(plan) -> None:  # type: ignore[no-untyped-def]
    code, output = plan("smoke")
    assert code == 0
    assert "prompts of" in output and "by the model's tokenizer" in output
    assert "ad_responses" in output and "GPU hours" in output


def test_the_paper_without_its_model_is_counted_in_characters(  # type: ignore[no-untyped-def]
    plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    _, output = plan("paper")
    assert "12,000 training and 3,000 test" in output
    assert "at 4 characters a token" in output
    for model in ("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-Embedding-0.6B"):
        assert f"note: {model} is not on this machine and will be downloaded" in output


def test_what_can_not_be_downloaded_is_a_problem(plan) -> None:  # type: ignore[no-untyped-def]
    code, output = plan("smoke", "ad_llm.base=org/model-1B")
    assert code == 1
    assert "problem: org/model-1B is not on this machine, and HF_HUB_OFFLINE forbids to download it" in output


def test_a_base_that_is_not_there_is_named(plan) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"ad_llm\.base: there is no such directory: /nomodel"):
        plan("smoke", "ad_llm.base=/nomodel")


def test_a_cached_model_that_can_not_be_trained_is_named(  # type: ignore[no-untyped-def]
    plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"model_type": "gemma3_text", "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2}
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "config.json").write_text(json.dumps(config))
    (snapshot / "model.safetensors").touch()
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(ValueError, match="Gemma3ForCausalLM has attention other than plain causal attention"):
        plan("smoke", "ad_llm.base=org/gemma-1B")


def test_a_cached_model_that_is_not_complete_is_named_where_nothing_can_be_downloaded(  # type: ignore[no-untyped-def]
    plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "snapshot"
    with as_file(files("llm_auction.base") / "model") as model:
        shutil.copytree(model, snapshot)
    shards = {"weight_map": {"one": "model.safetensors", "other": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(shards))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot))
    with pytest.raises(ValueError, match=r"ad_llm\.base: .*model-2\.safetensors is missing"):
        plan("smoke", "ad_llm.base=org/model-1B")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert plan("smoke", "ad_llm.base=org/model-1B")[0] == 0


def test_problems_are_named_and_end_with_an_error(plan) -> None:  # type: ignore[no-untyped-def]
    code, output = plan(
        "smoke",
        "sampling.max_new_tokens=9000",
        "engine.command=/nowhere/vllm serve {model} --host {host} --port {port}",
        "user.url=http://127.0.0.1:1",
        "user.model=judge",
        "user.api_key_variable=NO_SUCH_KEY",
        "judge.model=grader",
        "judge.command=/nowhere/judge {model} --host {host} --port {port}",
        "pctr.encoder=./no-encoder",
    )
    assert code == 1
    assert "too short for the longest prompt" in output
    assert "engine.command: there is no program /nowhere/vllm" in output
    assert "user.api_key_variable: NO_SUCH_KEY is not set" in output
    assert "judge.command: there is no program /nowhere/judge" in output
    assert "pctr.encoder: there is no such directory: no-encoder" in output


def test_what_can_not_be_read_is_an_error(plan) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"nowhere\.csv"):
        plan("smoke", "catalog.source=nowhere.csv")
    with pytest.raises(ValueError, match="no prompt template 'ad_llm_v9'"):
        plan("smoke", "ad_llm.prompt=ad_llm_v9")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"half has no config\.json"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json is not valid JSON"),
        (lambda folder: os.truncate(folder / "model.safetensors", 1000), r"model\.safetensors can't be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "half has no safetensors weights"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "half has no tokenizer"),
    ],
)
def test_a_half_written_model_is_named_before_anything_runs(  # type: ignore[no-untyped-def]
    plan, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    folder = tmp_path / "half"
    with as_file(files("llm_auction.base") / "model") as model:
        shutil.copytree(model, folder)
    damage(folder)
    with pytest.raises(ValueError, match=message):
        plan("smoke", f"ad_llm.base={folder}")
