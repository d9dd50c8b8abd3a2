"""Training processes that share the weights, gradients and moments of one model: PyTorch's FSDP2, through Accelerate.

The launcher decides (`accelerate launch --use_fsdp --fsdp_version 2`, or its configuration file). What differs from
processes that each hold the model: all make the same number of forward passes, because each pass gathers weights from
all of them, and the tuned weights have to be gathered before they are written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, parse_flag_from_env

if TYPE_CHECKING:
    from transformers import TrainingArguments


def will_shard(args: TrainingArguments) -> bool:
    """Whether the launcher or `args` asks for FSDP; known before there is an Accelerator."""
    return args.fsdp_plugin_args is not None or parse_flag_from_env("ACCELERATE_USE_FSDP")


def refuse_untried(accelerator: Accelerator, asked: bool) -> None:
    """ValueError for ways of sharing weights that would train something else, fail in the middle, or share nothing.

    Args:
        asked: `will_shard` of the arguments that the Accelerator was made from.
    """
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        raise ValueError(
            "DeepSpeed is not supported: its engine takes an optimiser step after every backward pass, where a step "
            "here is several micro-batches. Use FSDP2 (accelerate launch --use_fsdp --fsdp_version 2)"
        )
    if asked and accelerator.distributed_type != DistributedType.FSDP:
        raise ValueError(
            "FSDP was asked for, but Accelerate has not turned it on: it does so for processes on GPUs only. Use "
            "torchrun here, or accelerate launch without FSDP"
        )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise ValueError(
            "FSDP's first version is not supported: it flattens the weights of the output layer, which runs here in "
            "chunks. Set fsdp_version: 2 (accelerate launch --fsdp_version 2)"
        )


def keep_float32(accelerator: Accelerator) -> None:
    """Log-probabilities and sums of gradients in float32, as where every process holds the model.

    Under bf16 Accelerate would round both; its policy is taken when the reference and the model are sharded.
    """
    if accelerator.is_fsdp2 and accelerator.mixed_precision != "no":
        plugin = accelerator.state.fsdp_plugin
        policy = plugin.mixed_precision_policy
        plugin.mixed_precision_policy = replace(policy, output_dtype=None, reduce_dtype=torch.float32)


def whole_model(accelerator: Accelerator, trained: Any, empty: Any) -> Any | None:
    """The trained model with all its weights, in the main process; None in the others. All processes must call it.

    Args:
        trained: the model of the trainer, sharded or not.
        empty: makes a model of the same architecture for the gathered weights; called in the main process.
    """
    if not accelerator.is_fsdp2:
        return accelerator.unwrap_model(trained) if accelerator.is_main_process else None
    weights = accelerator.get_state_dict(trained)
    if not accelerator.is_main_process:
        return None
    model = empty()
    model.load_state_dict(weights)
    return model
