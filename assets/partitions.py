"""Partitions of the loop: arm x iteration. Those of the evaluation, one key a mechanism, stand in `mechanism_runs`.

Keys are static: a profile decides which arms and how many iterations a run takes; more can be launched later, up to
`MAX_ITERATIONS`.
"""

from __future__ import annotations

from dagster import MultiPartitionKey, MultiPartitionsDefinition, StaticPartitionsDefinition

from llm_auction.profiles.arms import ARMS as ARM_OVERRIDES
from llm_auction.profiles.schema import MAX_ITERATIONS

ARMS = tuple(ARM_OVERRIDES)
ITERATIONS = tuple(f"{number:02d}" for number in range(1, MAX_ITERATIONS + 1))

arm_partitions = StaticPartitionsDefinition(list(ARMS))
iteration_partitions = StaticPartitionsDefinition(list(ITERATIONS))
irpo_partitions = MultiPartitionsDefinition({"arm": arm_partitions, "iteration": iteration_partitions})


def partition_of(partition_key: str) -> dict[str, str]:
    """`{"arm": ..., "iteration": ...}` of an `irpo_partitions` key ("llm_auction|01"), as the lake takes it."""
    arm, _, iteration = partition_key.partition("|")
    return {"arm": arm, "iteration": iteration}


def irpo_key(arm: str, iteration: str) -> MultiPartitionKey:
    """The partition key of one arm and iteration."""
    return MultiPartitionKey({"arm": arm, "iteration": iteration})


def previous_iteration(iteration: str) -> str | None:
    """The key before; None for the first, which starts from the base model."""
    position = ITERATIONS.index(iteration)
    return ITERATIONS[position - 1] if position else None


def next_iteration(iteration: str) -> str | None:
    """The key after; None for the last."""
    position = ITERATIONS.index(iteration)
    return ITERATIONS[position + 1] if position + 1 < len(ITERATIONS) else None


def deployed_pointer(arm: str, iteration: str) -> str:
    """The model store's name of the Ad-LLM that an iteration deploys: the previous one's, or the base model."""
    previous = previous_iteration(iteration)
    return f"{arm}/{previous}" if previous else "base"
