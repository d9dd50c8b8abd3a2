"""Which engine the profile chooses, and a real server: `transformers serve` on a tiny checkpoint."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from llm_auction.generation.protocol import Messages
from llm_auction.generation.server_engine import ServerEngine
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig
from resources.engines import EngineResource
from resources.profile import ProfileResource
from tests.benchmarks.tiny_qwen3 import write_tiny_qwen3
from tests.faulty_server import faulty_server

PROMPTS: list[Messages] = [[{"role": "user", "content": "plan a trip"}], [{"role": "user", "content": "buy boots"}]]
SAMPLING = SamplingConfig(max_new_tokens=8)


def resource(tmp_path: Path, **engine: str) -> EngineResource:
    overrides = {f"engine.{name}": value for name, value in engine.items()}
    return EngineResource(
        profile=ProfileResource(profile="smoke", overrides=overrides), data_dir=str(tmp_path / "data")
    )


def test_without_a_server_answers_are_drawn_here(tiny_model_dir: Path, tmp_path: Path) -> None:
    engine = resource(tmp_path, dtype="float32", device="cpu").open(tiny_model_dir)
    assert isinstance(engine, TransformersEngine)
    assert str(engine.model.device) == "cpu"


def test_a_gpu_that_is_not_there_is_named(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=r"engine\.device is cuda:1, but PyTorch .* sees no CUDA GPU here: set"):
        resource(tmp_path, device="cuda:1").open(tiny_model_dir)


def test_a_running_server_must_have_the_very_checkpoint(tiny_model_dir: Path, tmp_path: Path) -> None:
    with faulty_server(models=("some/other-model",)) as server:
        engine = resource(tmp_path, url=server.url).open(tiny_model_dir, log_probabilities=False)
        with pytest.raises(ValueError, match=r"does not have the checkpoint.*it lists some/other-model"):
            engine.sample(PROMPTS, 1, SAMPLING, 0)
        server.models = (tiny_model_dir.name,)
        answers = engine.sample(PROMPTS, 2, SAMPLING, 0)
        assert {body["model"] for body in server.requests} == {tiny_model_dir.name}
    assert [[answer.logprob for answer in group] for group in answers] == [[None, None]] * 2


def test_an_api_key_must_be_there(tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    engine = resource(tmp_path, url="http://127.0.0.1:9", api_key_variable="NO_SUCH_KEY").open(tiny_model_dir)
    with pytest.raises(ValueError, match="NO_SUCH_KEY, which is not set"):
        engine.sample(PROMPTS, 1, SAMPLING, 0)


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("fastapi") and find_spec("openai")), reason="transformers[serving] is not installed")
def test_transformers_serve_as_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    executable = Path(sys.executable).with_name("transformers")
    chosen = resource(
        tmp_path,
        command=f"{executable} serve {{model}} --host {{host}} --port {{port}} --device cpu --dtype float32",
        dialect="transformers",
        concurrency="1",  # it seeds the whole process: requests side by side would share one stream
        start_seconds="120",
    )
    model_dir = write_tiny_qwen3(tmp_path / "served model")
    engine = chosen.open(model_dir, log_probabilities=False)
    assert isinstance(engine, ServerEngine)
    answers = engine.sample(PROMPTS, 2, SAMPLING, 5)
    assert [[a.text for a in group] for group in engine.sample(PROMPTS, 2, SAMPLING, 5)] == [
        [a.text for a in group] for group in answers
    ]
    assert len({a.text for group in answers for a in group}) == 4
    assert all(len(a.token_ids) > 0 for group in answers for a in group)
    server = chosen._server
    assert server is not None
    chosen.close()

    scored = chosen.open(model_dir).sample(PROMPTS, 2, SAMPLING, 5)
    assert [[a.text for a in group] for group in scored] == [[a.text for a in group] for group in answers]
    assert all(a.logprob is not None and a.logprob < 0 for group in scored for a in group)
    assert chosen._server is None  # it ended before the scoring
    assert "POST /v1/chat/completions" in (tmp_path / "data" / "logs" / "engine-server.log").read_text()
