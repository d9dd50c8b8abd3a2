"""A training ends in a usable model directory, guards itself, and survives kill -9 with identical weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.irpo.preference_pairs import write_sets
from llm_auction.irpo.training import DpoResult, train_dpo
from llm_auction.profiles.schema import DpoConfig
from tests.llm_auction.irpo.preference_data import random_sets

DOCS = Path(__file__).parents[3] / "docs"
Weights = dict[str, torch.Tensor]
CONFIG = DpoConfig(epochs=2, prompts_per_step=4, checkpoint_steps=2, sft_weight=0.5)


def _train(model_dir: Path, folder: Path, config: DpoConfig = CONFIG, seed: int = 0, sets: int = 12) -> DpoResult:
    folder.mkdir(exist_ok=True)
    return train_dpo(model_dir, random_sets(sets), config, 10.0, folder / "out", seed, folder / "checkpoints")


def _weights(folder: Path) -> Weights:
    return load_file(folder / "model.safetensors")


def test_training_learns_and_writes_a_model(model_dir: Path, tmp_path: Path) -> None:
    equal = replace(random_sets(1)[0], rewards=(1.0,) * 4)
    logs: list[dict[str, float]] = []
    result = train_dpo(
        model_dir, [*random_sets(12), equal], CONFIG, 10.0, tmp_path / "out", 0, tmp_path / "ck", logs.append
    )
    assert result.metrics["used_sets"] == 12 and result.metrics["unused_sets"] == 1
    assert result.metrics["steps"] == 6 and [log["step"] for log in logs] == [1, 2, 3, 4, 5, 6]
    assert result.metrics["loss_last"] < result.metrics["loss_first"]
    assert result.metrics["winner_logprob_change"] > 0 > result.metrics["loser_logprob_change"]
    assert result.metrics["kl"] > 0
    assert logs[1]["learning_rate"] == pytest.approx(CONFIG.learning_rate)  # one step of warm-up
    assert not list(result.model_dir.glob("*.bin")) and not list(tmp_path.glob("*.partial"))
    before, after = (
        json.loads((model_dir / "config.json").read_text()),
        json.loads((result.model_dir / "config.json").read_text()),
    )
    assert after == before
    TransformersEngine(result.model_dir)  # tokenizer, template and weights: a directory like any other


def test_the_seed_decides(model_dir: Path, tmp_path: Path) -> None:
    first = _weights(_train(model_dir, tmp_path / "a").model_dir)
    again = _weights(_train(model_dir, tmp_path / "b").model_dir)
    other = _weights(_train(model_dir, tmp_path / "c", seed=1).model_dir)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_adapters_learn_and_are_merged(model_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="the extra lora is not installed")
    config = CONFIG.model_copy(update={"lora_rank": 4, "learning_rate": 5e-3})
    result = _train(model_dir, tmp_path / "a", config)
    assert result.metrics["loss_first"] == pytest.approx(_train(model_dir, tmp_path / "full").metrics["loss_first"])
    assert result.metrics["loss_last"] < result.metrics["loss_first"]
    before, after = _weights(model_dir), _weights(result.model_dir)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("_proj" in name for name in changed)
    assert not list(result.model_dir.glob("adapter*"))
    again = _weights(_train(model_dir, tmp_path / "b", config).model_dir)
    assert all(torch.equal(after[name], again[name]) for name in after)
    TransformersEngine(result.model_dir)


def test_adapters_resume_with_identical_weights(model_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="the extra lora is not installed")
    config = CONFIG.model_copy(update={"lora_rank": 4, "learning_rate": 5e-3})
    undisturbed = _weights(_train(model_dir, tmp_path / "whole", config).model_dir)

    def stop(figures: dict[str, float]) -> None:
        if figures["step"] == 5:
            raise KeyboardInterrupt

    arguments = (random_sets(12), config, 10.0, tmp_path / "out", 0, tmp_path / "checkpoints")
    with pytest.raises(KeyboardInterrupt):
        train_dpo(model_dir, *arguments, stop)
    assert list((tmp_path / "checkpoints").glob("checkpoint-*"))
    resumed = _weights(train_dpo(model_dir, *arguments).model_dir)
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


def test_stops_on_kl(model_dir: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"max_kl": 1e-4, "epochs": 6})
    result = _train(model_dir, tmp_path, config)
    assert result.metrics["stopped_early"] == 1
    assert 5 <= result.metrics["steps"] < 18
    assert (result.model_dir / "model.safetensors").exists()


def test_no_losers(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none of the 3 preference sets has a loser .* delta_th = 100"):
        train_dpo(model_dir, random_sets(3), CONFIG, 100.0, tmp_path / "out", 0, tmp_path / "ck")


def test_processes_that_do_not_divide_a_step(model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"dpo\.prompts_per_step is 5, which 2 processes can't share equally"):
        _train(model_dir, tmp_path, CONFIG.model_copy(update={"prompts_per_step": 5}))


def test_output_is_never_overwritten(model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(ValueError, match="is not empty"):
        _train(model_dir, tmp_path)


def test_two_trainings_never_share_their_checkpoints(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_auction.irpo.checkpoints.ENDING_SECONDS", 0.0)

    def again(figures: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=f"another process is training with the checkpoints in {tmp_path}"):
            _train(model_dir, tmp_path, sets=4)

    config = CONFIG.model_copy(update={"epochs": 1})
    train_dpo(model_dir, random_sets(4), config, 10.0, tmp_path / "out", 0, tmp_path / "checkpoints", again)
    assert (tmp_path / "out").is_dir()


def test_divergence_is_an_error(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"diverged at step \d+.*learning_rate"):
        _train(model_dir, tmp_path, CONFIG.model_copy(update={"learning_rate": 1e30}))


def _script(model_dir: Path, folder: Path, sets: int = 12, **changes: object) -> list[str]:
    folder.mkdir()
    write_sets(folder / "pairs.parquet", random_sets(sets))
    (folder / "config.json").write_text(json.dumps({**CONFIG.model_dump(), "delta_th": 10.0, "seed": 0, **changes}))
    paths = {"start": model_dir, "pairs": folder / "pairs.parquet", "output": folder / "out"}
    options = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    return [sys.executable, "-m", "llm_auction.irpo.train", *options, "--config", str(folder / "config.json")]


@pytest.mark.slow
def test_two_processes_learn_the_same(model_dir: Path, tmp_path: Path) -> None:
    """Micro-batches of two processes needn't match; their gradients are exchanged once a step.

    Of 9 sets one is left for the third step, where one process has no set of its own.
    """
    alone = _weights(_train(model_dir, tmp_path / "alone", sets=9).model_dir)
    command = _script(model_dir, tmp_path / "two", sets=9)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--"]
    subprocess.run([command[0], *torchrun, *command[2:]], stdout=subprocess.PIPE, check=True)
    _same_training(model_dir, alone, _weights(tmp_path / "two" / "out"))


@pytest.mark.slow
def test_gradients_of_two_processes_lie_in_the_buckets_they_are_exchanged_in(model_dir: Path, tmp_path: Path) -> None:
    """From the first exchange on, over steps of several micro-batches."""
    command = _script(model_dir, tmp_path / "two", micro_batch_tokens=1)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--"]
    script = ["tests.llm_auction.irpo.watched_gradients", *command[3:]]
    done = subprocess.run([command[0], *torchrun, *script], stdout=subprocess.PIPE, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["in_buckets"] for event in events if event["event"] == "backward"] == [
        *(False, True),  # the first step: two micro-batches in each process
        *(True, True) * 5,
    ]


def _same_training(model_dir: Path, one: Weights, other: Weights) -> None:
    """Adam divides by the gradient's size: rounding of a gradient near zero can move a weight by a whole step."""
    start = _weights(model_dir)
    distance = sum((one[name] - other[name]).norm() ** 2 for name in one) ** 0.5
    moved = sum((one[name] - start[name]).norm() ** 2 for name in one) ** 0.5
    assert distance <= 0.05 * moved


@pytest.mark.slow
def test_processes_that_share_the_weights_learn_the_same(model_dir: Path, tmp_path: Path) -> None:
    """FSDP2 in two gloo processes, started as docs/scale.md says, with activations that are computed again."""
    pytest.importorskip("peft", reason="the extra lora is not installed")
    packed = CONFIG.model_copy(update={"micro_batch_tokens": 200})  # one or two passes a step, by process
    adapters = packed.model_copy(update={"lora_rank": 4, "learning_rate": 5e-3})
    recomputed = packed.model_copy(update={"activation_checkpointing": True})
    folder = tmp_path / "shared"
    folder.mkdir()
    write_sets(folder / "pairs.parquet", random_sets(11))
    configs = {"adapters": adapters, "bfloat16": packed, "cut": packed, "recomputed": recomputed, "whole": packed}
    for name, config in configs.items():
        (folder / f"{name}.json").write_text(config.model_dump_json())
    launch = ["accelerate.commands.launch", "--config_file", str(DOCS / "fsdp2.yaml"), "--main_process_port", "0", "-m"]
    script = ["tests.llm_auction.irpo.fsdp_on_cpu", str(model_dir), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", *launch, *script], stdout=subprocess.PIPE, check=True, env=environment)

    whole = _weights(folder / "whole" / "out")
    _same_training(model_dir, _weights(_train(model_dir, tmp_path / "alone", sets=11).model_dir), whole)
    _same_training(model_dir, whole, _weights(folder / "recomputed" / "out"))
    alone = _weights(_train(model_dir, tmp_path / "adapters", adapters, sets=11).model_dir)
    _same_training(model_dir, alone, _weights(folder / "adapters" / "out"))
    resumed = _weights(folder / "cut" / "out")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    first, rounded = (json.loads((folder / name / "log").read_text())[0] for name in ("whole", "bfloat16"))
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)  # the reference was the start
    assert rounded["kl"] == pytest.approx(0.0, abs=1e-6)
    assert 0 < abs(rounded["loss"] / first["loss"] - 1) < 1e-2
    TransformersEngine(folder / "whole" / "out")


@pytest.mark.slow
def test_kill_and_resume_gives_identical_weights(model_dir: Path, tmp_path: Path) -> None:
    undisturbed = _weights(_train(model_dir, tmp_path / "undisturbed").model_dir)

    command = _script(model_dir, tmp_path / "killed")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("step") == 5:  # the checkpoint of step 4 is complete
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    output = tmp_path / "killed" / "out"
    assert process.returncode == -signal.SIGKILL and not output.exists()
    # A later checkpoint that the kill cut in two must not count.
    torn = tmp_path / "killed" / "out.checkpoints" / "checkpoint-6"
    torn.mkdir(exist_ok=True)
    (torn / "COMPLETE").unlink(missing_ok=True)

    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["step"] for event in events if event["event"] == "step"] == [5, 6]
    assert events[-1]["event"] == "done" and events[-1]["metrics"]["steps"] == 6
    resumed = _weights(output)
    assert all(torch.equal(resumed[name], undisturbed[name]) for name in undisturbed)


def test_checkpoints_of_another_job_are_not_used(model_dir: Path, tmp_path: Path) -> None:
    expected = _weights(_train(model_dir, tmp_path / "alone", seed=1).model_dir)
    folder = tmp_path / "reused"
    _train(model_dir, folder, seed=0)
    (folder / "out").rename(folder / "first")
    result = _weights(_train(model_dir, folder, seed=1).model_dir)
    assert all(torch.equal(result[name], expected[name]) for name in expected)


def test_the_reference_may_be_another_model(model_dir: Path, tmp_path: Path) -> None:
    """Eq. 6 against pi_0: a tuned start is away from the reference, so the KL is not 0 before the first step."""
    tuned = _train(model_dir, tmp_path / "one", sets=4).model_dir
    config = CONFIG.model_copy(update={"reference": "base", "epochs": 1})
    first_kl = []
    for reference in (model_dir, tuned):
        logs: list[dict[str, float]] = []
        folder = tmp_path / str(len(first_kl))
        train_dpo(
            tuned, random_sets(4), config, 10.0, folder / "out", 0, folder / "ck", logs.append, reference_dir=reference
        )
        first_kl.append(logs[0]["kl"])
    assert first_kl[0] > 0.01 > first_kl[1] == pytest.approx(0.0, abs=1e-4)


def test_a_reference_that_is_not_named(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dpo\.reference is base"):
        _train(model_dir, tmp_path, CONFIG.model_copy(update={"reference": "base"}))
