"""A pretraining's checkpoint outlives failing and killed saves, and is gone on with under its own settings only."""

from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from safetensors.numpy import load_file

from llm_auction.base.corpus import Mix
from llm_auction.base.pretrain import PretrainConfig, Stage, pretrain
from tests.small_disk import run_on_a_small_disk

COPY, ANSWERS = (
    Stage("copy", 2, Mix(1.0, 0.0, (3,)), documents=1),
    Stage("answers", 2, Mix(0.0, 0.0, (4,)), documents=1),
)
FIRST = PretrainConfig(stages=(COPY,), tokenizer_documents=100, hidden=32, layers=1, checkpoint_steps=1)
LONGER = replace(FIRST, stages=(COPY, ANSWERS))


def train(config: PretrainConfig, folder: Path) -> Path:
    return pretrain(config, folder, lambda log: None)


def step_of(folder: Path) -> int:
    return json.loads((folder / "checkpoint" / "state.json").read_text())["step"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of the first stage, and one of both that nothing happened to."""
    folder = tmp_path_factory.mktemp("trained")
    train(FIRST, folder / "first")
    train(LONGER, folder / "longer")
    return folder


@pytest.fixture
def begun(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained / "first", tmp_path / "model")


def assert_goes_on(folder: Path, trained: Path) -> None:
    """The training in `folder` ends as one that nothing happened to."""
    assert step_of(train(LONGER, folder)) == 4
    whole, parts = (load_file(path / "model.safetensors") for path in (trained / "longer", folder))
    assert all((whole[name] == parts[name]).all() for name in whole)
    assert sorted(path.name for path in folder.glob("checkpoint*")) == ["checkpoint"]


def test_a_save_that_fails_leaves_the_checkpoint_before_it(begun: Path, trained: Path) -> None:
    def full(tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(OSError, match="No space left"):
            train(LONGER, begun)
    assert step_of(begun) == 2
    assert_goes_on(begun, trained)


@pytest.mark.parametrize("suffixes", [("old",), ("old", "new")])
def test_a_kill_between_the_renames_of_a_save(suffixes: tuple[str, ...], begun: Path, trained: Path) -> None:
    (begun / "checkpoint").rename(begun / f"checkpoint.{suffixes[0]}")
    if "new" in suffixes:
        shutil.copytree(trained / "longer" / "checkpoint", begun / "checkpoint.new")
    assert_goes_on(begun, trained)


def test_a_kill_while_a_checkpoint_is_written(begun: Path, trained: Path) -> None:
    (begun / "checkpoint.new").mkdir()
    (begun / "checkpoint.new" / "model.safetensors").write_bytes(b"half")
    assert_goes_on(begun, trained)


@pytest.mark.parametrize(
    "other",
    [
        replace(FIRST, seed=99),
        replace(FIRST, hidden=48),
        replace(FIRST, stages=(replace(COPY, steps=1),)),
        replace(FIRST, stages=(replace(COPY, steps=3),)),
        replace(FIRST, stages=(replace(COPY, rate=(1.0, 0.5)), ANSWERS)),
    ],
)
def test_a_training_with_other_settings_is_left_alone(other: PretrainConfig, begun: Path) -> None:
    before = (begun / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=r"model holds a training with other settings.*give another directory"):
        train(other, begun)
    assert (begun / "model.safetensors").read_bytes() == before
    assert step_of(begun) == 2


def test_a_curriculum_may_grow_at_its_end_and_save_at_other_steps(begun: Path) -> None:
    assert step_of(train(replace(LONGER, checkpoint_steps=3), begun)) == 4


def test_one_training_at_a_time(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_auction.irpo.checkpoints.ENDING_SECONDS", 0.1)
    with FileLock(begun / "training.lock"), pytest.raises(ValueError, match="another process is training"):
        train(LONGER, begun)


def test_a_damaged_checkpoint_is_one_clear_error(begun: Path) -> None:
    moments = begun / "checkpoint" / "optimizers.safetensors"
    moments.write_bytes(moments.read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"the checkpoint in .*/checkpoint is damaged .*remove it to train anew"):
        train(LONGER, begun)


ON_A_FULL_DISK = """
import io, sys
from contextlib import redirect_stderr
from pathlib import Path
import llm_auction.base.card, llm_auction.base.pretrain
from tests.llm_auction.base.test_pretrain_checkpoint import FIRST, LONGER, step_of
from tests.small_disk import fill_up
from workflows.cli.app import main

folder = Path({folder!r})
llm_auction.base.card.write_card = lambda *_: None
sys.argv = ["llm-auction", "pretrain", str(folder / "model")]

def run(config):
    llm_auction.base.pretrain.PretrainConfig = lambda seed: config
    try:
        main()
    except SystemExit as ended:
        return ended.code

assert not run(FIRST)
filler = fill_up(folder)
with redirect_stderr(io.StringIO()) as said:
    assert run(LONGER) == 1
(told,) = [line for line in said.getvalue().splitlines() if line.startswith("error: ")]
assert told.startswith(f"error: the disk is full: {{folder / 'model'}} was not written"), told
assert "Traceback" not in said.getvalue()
assert step_of(folder / "model") == 2
filler.unlink()
assert not run(LONGER)
assert step_of(folder / "model") == 4
"""


def test_a_full_disk_is_one_line_and_the_training_goes_on_when_there_is_room(tmp_path: Path) -> None:
    run_on_a_small_disk(ON_A_FULL_DISK.format(folder=str(tmp_path / "disk")), tmp_path / "disk")
