"""What is refused before a training whose processes would share weights in a way that trains something else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from accelerate.utils import DistributedType
from trl import DPOConfig

from llm_auction.irpo.sharding import refuse_untried, will_shard


@pytest.mark.parametrize(
    ("kind", "version", "message"),
    [(DistributedType.DEEPSPEED, 0, "DeepSpeed is not supported"), (DistributedType.FSDP, 1, "fsdp_version: 2")],
)
def test_other_ways_of_sharing_are_refused(kind: DistributedType, version: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refuse_untried(SimpleNamespace(distributed_type=kind, is_fsdp2=version == 2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "version"), [(DistributedType.FSDP, 2), (DistributedType.MULTI_GPU, 0), (DistributedType.NO, 0)]
)
def test_fsdp2_and_whole_models_are_taken(kind: DistributedType, version: int) -> None:
    refuse_untried(SimpleNamespace(distributed_type=kind, is_fsdp2=version == 2))  # type: ignore[arg-type]


def test_the_launcher_says_whether_weights_are_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    args = DPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False)
    monkeypatch.delenv("ACCELERATE_USE_FSDP", raising=False)
    assert not will_shard(args)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert will_shard(args)
