"""The launcher: a training in a process of its own gives the very model that one inside the step gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetExecutionContext, DagsterInstance, MaterializeResult, asset, materialize

from llm_auction.profiles.schema import DpoConfig
from resources.launcher import TrainingFailed, TrainingLauncher

CONFIG = DpoConfig(epochs=1, prompts_per_step=2, learning_rate=1e-3)


def preference_sets() -> list[Any]:
    from llm_auction.irpo.preference_pairs import PreferenceSet

    return [
        PreferenceSet(
            query_id=f"q{number}",
            messages=[{"role": "user", "content": f"Which shoes, number {number}?"}],
            answers=("good", "bad", "worse"),
            token_ids=((30 + number, 31, 2), (40 + number, 41, 2), (50, 51, 52, 2)),
            rewards=(30.0, 5.0, -10.0),
        )
        for number in range(4)
    ]


def train(launcher: TrainingLauncher, start: Path, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    """The metrics, the logged steps and the output of a training inside an asset."""
    found: dict[str, Any] = {}
    logged: list[dict[str, Any]] = []

    def body(context: AssetExecutionContext) -> MaterializeResult:
        found.update(
            launcher.train(
                context,
                start_dir=start,
                sets=preference_sets(),
                config=CONFIG,
                delta_th=10.0,
                output_dir=folder / "output",
                seed=7,
                checkpoint_dir=folder / "checkpoints" / "one",
                on_log=lambda step: logged.append(dict(step)),
            )
        )
        return MaterializeResult()

    # Dagster reads annotations as objects; in this file they are strings.
    body.__annotations__ = {"context": AssetExecutionContext, "return": MaterializeResult}
    with DagsterInstance.ephemeral() as instance:
        assert materialize([asset(name="training")(body)], instance=instance).success
    return found, logged, folder / "output"


@pytest.mark.slow
def test_subprocess_equals_inline(tiny_model_dir: Path, tmp_path: Path) -> None:
    inline, inline_log, inline_dir = train(TrainingLauncher(), tiny_model_dir, tmp_path / "inline")
    apart, apart_log, apart_dir = train(TrainingLauncher(mode="subprocess"), tiny_model_dir, tmp_path / "apart")
    assert [step["loss"] for step in inline_log] == [step["loss"] for step in apart_log]
    assert inline.keys() == apart.keys()
    weights = "model.safetensors"
    assert (inline_dir / weights).read_bytes() == (apart_dir / weights).read_bytes()


@pytest.mark.slow
def test_a_failure_of_the_process_reaches_the_step(tiny_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "left-over").write_text("")
    with pytest.raises(TrainingFailed, match=r"training process failed: output directory .* is not empty"):
        train(TrainingLauncher(mode="subprocess"), tiny_model_dir, tmp_path)


def test_several_processes_are_started_by_torchrun() -> None:
    command = TrainingLauncher(mode="subprocess", processes=4)._command(Path("job.json"))
    assert command[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=4"]
    assert command[-2:] == ["resources.training_process", "job.json"]
