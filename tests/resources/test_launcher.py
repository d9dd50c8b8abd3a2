"""The launcher: a training in a process of its own gives the very model that one inside the step gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetExecutionContext, DagsterInstance, MaterializeResult, asset, materialize

from llm_auction.profiles.schema import DpoConfig, LauncherConfig
from resources.guarded import end_guarded, start_guarded
from resources.launcher import TrainingFailed, TrainingLauncher, error_file, training_command
from resources.profile import ProfileResource
from resources.training_process import run
from tests.processes import is_alive, wait_until

ROOT = Path(__file__).resolve().parents[2]
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


def launcher(**fields: str) -> TrainingLauncher:
    overrides = {f"launcher.{name}": value for name, value in fields.items()}
    return TrainingLauncher(profile=ProfileResource(profile="smoke", overrides=overrides))


def train(chosen: TrainingLauncher, start: Path, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    """The metrics, the logged steps and the output of a training inside an asset."""
    found: dict[str, Any] = {}
    logged: list[dict[str, Any]] = []

    def body(context: AssetExecutionContext) -> MaterializeResult:
        found.update(
            chosen.train(
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
    inline, inline_log, inline_dir = train(launcher(), tiny_model_dir, tmp_path / "inline")
    apart, apart_log, apart_dir = train(launcher(mode="subprocess"), tiny_model_dir, tmp_path / "apart")
    assert [step["loss"] for step in inline_log] == [step["loss"] for step in apart_log]
    assert inline.keys() == apart.keys()
    weights = "model.safetensors"
    assert (inline_dir / weights).read_bytes() == (apart_dir / weights).read_bytes()


@pytest.mark.slow
def test_a_failure_of_the_process_reaches_the_step(tiny_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "left-over").write_text("")
    with pytest.raises(TrainingFailed, match=r"training process failed: output directory .* is not empty"):
        train(launcher(mode="subprocess"), tiny_model_dir, tmp_path)


def test_the_process_that_failed_first_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tmp_path / "one.job.json"
    job.write_text(json.dumps({"start_dir": "start", "pairs": str(tmp_path / "no.parquet")}))
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(ValueError, match=r"no\.parquet"):
        run(job)
    said = error_file(job).read_text()
    assert "no.parquet" in said
    job.write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        run(job)
    assert error_file(job).read_text() == said


# Stands for torchrun: its worker has a session of its own, and neither ends by itself.
TRAINING = """
import os, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {worker.pid}")
os.replace(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""
STEP = """
import sys
from dagster import AssetExecutionContext, asset, materialize
from resources.launcher import run_through_pipes

@asset
def training(context: AssetExecutionContext) -> None:
    run_through_pipes(context, [sys.executable, *sys.argv[1:]])

materialize([training])
"""


def the_training(tmp_path: Path) -> tuple[list[str], Path]:
    """The stand-in's command, and where it writes the process ids of itself and its worker."""
    (tmp_path / "training.py").write_text(TRAINING)
    return [sys.executable, str(tmp_path / "training.py"), str(tmp_path / "pids")], tmp_path / "pids"


def test_no_process_of_a_training_outlives_a_step_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(STEP)
    command, pids = the_training(tmp_path)
    step = subprocess.Popen(
        [sys.executable, str(tmp_path / "step.py"), *command[1:]],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    wait_until(pids.exists, 60)
    processes = [int(pid) for pid in pids.read_text().split()]
    assert len(processes) == 2 and all(map(is_alive, processes))
    step.send_signal(signal.SIGKILL)
    step.wait()
    wait_until(lambda: not any(map(is_alive, processes)))


def test_no_worker_outlives_a_training_that_was_killed(tmp_path: Path) -> None:
    command, pids = the_training(tmp_path)
    guard = start_guarded(command, os.environ)
    wait_until(pids.exists)
    training, worker = map(int, pids.read_text().split())
    os.kill(training, signal.SIGKILL)
    assert guard.wait(20) == 128 + signal.SIGKILL
    wait_until(lambda: not is_alive(worker))
    end_guarded(guard)


def test_several_processes_are_started_by_torchrun() -> None:
    command = training_command(LauncherConfig(mode="subprocess", processes=4), Path("job.json"))
    assert command[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=4"]
    assert command[-2:] == ["resources.training_process", "job.json"]


def test_a_command_of_ones_own_starts_them() -> None:
    how = LauncherConfig(mode="subprocess", command="srun --label {python} -u {script}")
    script = ["-m", "resources.training_process", "a job.json"]
    assert training_command(how, Path("a job.json")) == ["srun", "--label", sys.executable, "-u", *script]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"processes": "2"}, "need mode subprocess"),
        ({"command": "srun {script}"}, "need mode subprocess"),
        ({"mode": "subprocess", "command": "accelerate launch"}, r"must hold the word \{script\}"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        launcher(**fields).profile.get()
