"""Models that are done with are gone before the GPU's memory is given back, here with a GPU that is only pretended."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import build_asset_context

from assets.sampling import sample_answers
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.pctr import encoders
from llm_auction.profiles.schema import DpoConfig, SamplingConfig, ServerConfig
from llm_auction.serving import ServerError
from resources.engines import EngineResource
from resources.gpu import release_gpu_memory
from resources.launcher import TrainingLauncher
from resources.model_server import ModelServer
from resources.profile import ProfileResource
from tests.resources.test_launcher import preference_sets

Model = weakref.ReferenceType[object]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Model], list[bool]]]:
    """For a model: whether it was still there, each time that the memory was given back."""
    watched: list[Model] = []
    there: list[bool] = []

    def watch(model: Model) -> list[bool]:
        watched.append(model)
        return there

    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: there.extend(model() is not None for model in watched))
    gc.disable()  # or chance would decide when models go that refer to themselves
    yield watch
    gc.enable()


def test_no_sampled_model_is_left_behind(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: Callable[[Model], list[bool]]
) -> None:
    there: list[list[bool]] = []
    load = TransformersEngine.__init__

    def loaded(engine: TransformersEngine, *args: object, **options: object) -> None:
        load(engine, *args, **options)  # type: ignore[arg-type]
        there.append(left(weakref.ref(engine.model)))

    monkeypatch.setattr(TransformersEngine, "__init__", loaded)
    engine = EngineResource(profile=ProfileResource(profile="smoke"), data_dir=str(tmp_path))
    answers, _ = sample_answers(
        engine, tiny_model_dir, [[{"role": "user", "content": "boots"}]], 2, SamplingConfig(max_new_tokens=4), 0, print
    )
    assert len(answers[0]) == 2
    assert there == [[False]]


def test_a_kept_encoder_is_let_go_and_read_anew(left: Callable[[Model], list[bool]]) -> None:
    encoder = encoders.open_encoder("hashing")
    encoder.itself = encoder  # type: ignore[attr-defined]  # such a circle goes with the collector only
    there = left(weakref.ref(encoder))
    del encoder
    release_gpu_memory()
    assert there == [False]
    assert encoders.open_encoder("hashing").dimension == 256


def test_a_server_and_a_training_process_find_the_memory_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: Callable[[Model], list[bool]]
) -> None:
    there = left(weakref.ref(encoders.open_encoder("hashing")))
    with pytest.raises(ServerError, match="ended with status 1"):
        ModelServer(ServerConfig(command="false {model} {host} {port}"), "some/model", tmp_path / "log").start()
    assert there == [False]

    there = left(weakref.ref(encoders.open_encoder("hashing")))
    started: list[list[bool]] = []

    def start(*_: object) -> tuple[int, list[object]]:
        started.append(list(there))
        return 0, []

    monkeypatch.setattr("resources.launcher.run_through_pipes", start)
    chosen = TrainingLauncher(profile=ProfileResource(profile="smoke", overrides={"launcher.mode": "subprocess"}))
    chosen.train(
        build_asset_context(),
        start_dir=tmp_path,
        sets=preference_sets(),
        config=DpoConfig(),
        delta_th=10.0,
        output_dir=tmp_path / "output",
        seed=0,
        checkpoint_dir=tmp_path / "checkpoints",
        on_log=print,
    )
    assert started == [[False, False, False]]


def test_without_a_gpu_nothing_is_let_go() -> None:
    kept = encoders.open_encoder("hashing")
    release_gpu_memory()
    assert encoders.open_encoder("hashing") is kept
