"""Which ways of sharing weights among processes are taken, and in what precision."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from trl import DPOConfig

from llm_auction.irpo.sharding import keep_float32, refuse_untried, will_shard


@pytest.mark.parametrize(
    ("kind", "version", "message"),
    [
        (DistributedType.DEEPSPEED, 0, "DeepSpeed is not supported"),
        (DistributedType.FSDP, 1, "fsdp_version: 2"),
        (DistributedType.MULTI_CPU, 0, "Accelerate has not turned it on"),
    ],
)
def test_other_ways_of_sharing_are_refused(kind: DistributedType, version: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refuse_untried(
            SimpleNamespace(distributed_type=kind, is_fsdp2=version == 2),  # type: ignore[arg-type]
            asked=kind != DistributedType.DEEPSPEED,
        )


@pytest.mark.parametrize(
    ("kind", "version"), [(DistributedType.FSDP, 2), (DistributedType.MULTI_GPU, 0), (DistributedType.NO, 0)]
)
def test_fsdp2_and_whole_models_are_taken(kind: DistributedType, version: int) -> None:
    refuse_untried(SimpleNamespace(distributed_type=kind, is_fsdp2=version == 2), asked=version == 2)  # type: ignore[arg-type]


def test_only_weights_and_activations_are_rounded() -> None:
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
    plugin.set_mixed_precision("bf16")
    state = SimpleNamespace(fsdp_plugin=plugin)
    keep_float32(SimpleNamespace(is_fsdp2=True, mixed_precision="bf16", state=state))  # type: ignore[arg-type]
    policy = plugin.mixed_precision_policy
    assert (policy.param_dtype, policy.reduce_dtype, policy.output_dtype) == (torch.bfloat16, torch.float32, None)


def test_the_launcher_says_whether_weights_are_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    args = DPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False)
    monkeypatch.delenv("ACCELERATE_USE_FSDP", raising=False)
    assert not will_shard(args)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert will_shard(args)
