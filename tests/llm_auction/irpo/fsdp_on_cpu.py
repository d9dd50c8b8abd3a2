"""Trainings under FSDP2 on CPUs, several in each process; started by Accelerate (`test_training.py`).

PyTorch shards on CPUs as well (`fully_shard` over gloo), but Accelerate turns FSDP on for accelerators only. Here it is
told that these are some; everything behind that runs as on GPUs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import trl
from accelerate.state import AcceleratorState, DistributedType, PartialState

from llm_auction.irpo.dpo import PrefixSharedDPOTrainer
from llm_auction.irpo.preference_pairs import read_sets
from llm_auction.irpo.training import train_dpo
from llm_auction.profiles.schema import DpoConfig

_Config = trl.DPOConfig
_begin, _step = AcceleratorState.__init__, PrefixSharedDPOTrainer.training_step


def _begin_sharded(self: AcceleratorState, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
    _begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fsdp_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
        if self._mixed_precision != "no":
            fsdp_plugin.set_mixed_precision(self._mixed_precision)
        self.fsdp_plugin = fsdp_plugin
        self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP


def _step_and_die(self: PrefixSharedDPOTrainer, *args: Any, **kwargs: Any) -> Any:
    if self.state.global_step == 5:
        raise KeyboardInterrupt
    return _step(self, *args, **kwargs)


def _in_bfloat16(**options: Any) -> trl.DPOConfig:
    return _Config(**{**options, "bf16": True})


def main(start_dir: Path, folder: Path) -> None:
    """Train with every `NAME.json` of `folder` into `NAME/out`; with `cut` twice, at first up to step 5 only.

    `bfloat16` trains in that precision, which the script does on GPUs by itself.
    """
    AcceleratorState.__init__ = _begin_sharded  # type: ignore[method-assign]
    sets = read_sets(folder / "pairs.parquet")
    for file in sorted(folder.glob("*.json")):
        AcceleratorState._reset_state(reset_partial_state=True)  # the precision of the training before
        job, logs = folder / file.stem, []
        config = DpoConfig.model_validate_json(file.read_text())
        arguments = (start_dir, sets, config, 10.0, job / "out", 0, job / "checkpoints", logs.append)
        trl.DPOConfig = _in_bfloat16 if file.stem == "bfloat16" else _Config
        if file.stem == "cut":
            PrefixSharedDPOTrainer.training_step = _step_and_die  # type: ignore[method-assign]
            try:
                train_dpo(*arguments)
            except KeyboardInterrupt:
                PrefixSharedDPOTrainer.training_step = _step  # type: ignore[method-assign]
        train_dpo(*arguments)
        assert AcceleratorState().is_fsdp2
        if logs:  # in the main process
            (job / "log").write_text(json.dumps(logs))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
