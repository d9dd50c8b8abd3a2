"""The checkpoint of a pretraining: complete or absent, and gone on with only under the settings it was made under."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

    from llm_auction.base.pretrain import PretrainConfig

_STATE = "state.json"  # written last


def save_checkpoint(
    folder: Path,
    config: PretrainConfig,
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    optimizers: Sequence[torch.optim.Optimizer],
    state: dict[str, float],
) -> None:
    """Replace the checkpoint in `folder` by one of this moment; a save that fails leaves the earlier one.

    Args:
        state: what is known of the training so far, at least its `step` and `tokens`.
    """
    from safetensors.torch import save_file

    aside = _aside(folder)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        tensors = {
            f"{number}.{parameter}.{name}": value.clone()
            for number, optimizer in enumerate(optimizers)
            for parameter, moments in optimizer.state_dict()["state"].items()
            for name, value in moments.items()
        }
        save_file(tensors, aside / "optimizers.safetensors")
        (aside / _STATE).write_text(json.dumps({**state, "settings": _settings(config, int(state["step"]))}))
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    earlier = _earlier(folder)
    shutil.rmtree(earlier, ignore_errors=True)
    if folder.exists():
        folder.rename(earlier)
    aside.rename(folder)
    shutil.rmtree(earlier, ignore_errors=True)


def find_checkpoint(folder: Path, config: PretrainConfig) -> dict[str, Any] | None:
    """What the checkpoint in `folder` says of its training, if one is there.

    Raises:
        ValueError: its training had other settings. Stages that it had not come to may differ.
    """
    if not folder.exists():
        # Killed between the two renames of a save.
        for complete in (_aside(folder), _earlier(folder)):
            if (complete / _STATE).is_file():
                complete.rename(folder)
                break
    for left in (_aside(folder), _earlier(folder)):
        shutil.rmtree(left, ignore_errors=True)
    if not (folder / _STATE).is_file():
        return None
    state: dict[str, Any] = json.loads((folder / _STATE).read_text())
    if state.get("settings") != _settings(config, int(state["step"])):
        raise ValueError(
            f"{folder.parent} holds a training with other settings, after its step {state['step']}: "
            "give another directory, or remove this one"
        )
    return state


def restore_checkpoint(folder: Path, model: Qwen3ForCausalLM, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Load the weights and the optimizers' moments that lie in `folder`.

    Raises:
        ValueError: a file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights, moments = load_file(folder / "model.safetensors"), load_file(folder / "optimizers.safetensors")
    except SafetensorError as error:
        raise ValueError(f"the checkpoint in {folder} is damaged ({error}): remove it to train anew") from error
    model.load_state_dict(weights, strict=False)
    states: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in optimizers]
    for key, value in moments.items():
        number, parameter, name = key.split(".")
        states[int(number)].setdefault(int(parameter), {})[name] = value
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _settings(config: PretrainConfig, step: int) -> str:
    """A digest of all that the first `step` steps follow from, so that a curriculum may grow at its end."""
    begun, first = [], 0
    for stage in config.stages:
        if first < step:
            begun.append(asdict(stage))
        first += stage.steps
    settings = {**asdict(config), "stages": begun}
    del settings["checkpoint_steps"]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.new")


def _earlier(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")
