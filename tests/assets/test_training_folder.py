"""The folder of a training: one run at a time, and one clear error when the disk is full."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import Failure

from assets.training_folder import training_folder
from resources.storage import StorageError
from tests.small_disk import fill_up, run_on_a_small_disk


def test_two_runs_never_train_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "training" / "oracle" / "01"
    with training_folder(folder):
        with pytest.raises(Failure, match=f"another run is training in {folder}"), training_folder(folder):
            pass
        with training_folder(folder.with_name("02")):
            pass
    with training_folder(folder):
        assert folder.is_dir()


def test_another_error_of_a_training_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="torchrun"), training_folder(tmp_path / "01"):
        raise FileNotFoundError("torchrun")


def fill_the_disk(data_dir: str) -> None:
    """In the process that sees the small disk: a checkpoint that doesn't fit, as torch and safetensors report it."""
    import torch
    from safetensors.torch import save_file

    folder = Path(data_dir) / "training" / "oracle" / "01"
    weights = {"weights": torch.zeros(4_000_000)}
    for save in (save_file, torch.save):
        with pytest.raises(StorageError, match=f"the disk is full: {folder}.*Free some space"), training_folder(folder):
            filler = fill_up(folder)
            save(weights, folder / "checkpoint")
        filler.unlink()
        with training_folder(folder):
            (folder / "checkpoint").write_text("fits")


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    run_on_a_small_disk(f"from {__name__} import fill_the_disk; fill_the_disk({str(data_dir)!r})", data_dir)
