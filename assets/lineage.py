"""Which iterations of an arm belong together: from the base model on, each was trained on the one before it.

The store keeps a model until its iteration is trained anew. After five iterations, and three more under other settings,
the last two of the first run are still there, but what they were trained on is not: they are no part of the new run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assets.partitions import ITERATIONS, deployed_pointer, previous_iteration
from resources.model_store import ModelStore


@dataclass(frozen=True, slots=True)
class Lineage:
    """The models of one arm: `versions` of those that belong together by iteration, `left_out` why others do not."""

    versions: Mapping[str, str]
    left_out: Mapping[str, str]


def lineage(model_store: ModelStore, kind: str, arm: str) -> Lineage:
    """The Ad-LLMs (`ad_llm`) or reward models (`pctr`) of an arm, in loop order.

    A reward model belongs to its arm's Ad-LLMs where it was fitted on answers of the one before it. Earlier versions of
    this project did not note whose answers those were: then it goes with its own iteration's Ad-LLM.

    Raises:
        ModelStoreError: the arm has models, and the base model is not there, or a pointer is damaged.
    """
    return {"ad_llm": _ad_llms, "pctr": _reward_models}[kind](model_store, arm)


def evaluated_iterations(model_store: ModelStore, kind: str, arm: str, log: Callable[[str], None]) -> list[str]:
    """The iterations of an arm whose models belong together, in loop order; says through `log` what is left out.

    Raises:
        ValueError: none does.
    """
    found = lineage(model_store, kind, arm)
    asset = {"ad_llm": "ad_llm", "pctr": "pctr_model"}[kind]
    told = "; ".join(f"{asset}[{arm}|{iteration}] is left out: {why}" for iteration, why in found.left_out.items())
    if not found.versions:
        missing = f"arm {arm} has no {asset} yet: materialize {asset}[{arm}|{ITERATIONS[0]}] first"
        raise ValueError(f"{missing} ({told})" if told else missing)
    if told:
        log(told)
    return list(found.versions)


def _ad_llms(model_store: ModelStore, arm: str) -> Lineage:
    versions: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for iteration in _there(model_store, "ad_llm", arm):
        start, previous = deployed_pointer(arm, iteration), previous_iteration(iteration)
        if previous is not None and previous not in versions:
            left_out[iteration] = f"{start} is left out too" if previous in left_out else f"there is no {start}"
            continue
        version, said = model_store.about("ad_llm", f"{arm}/{iteration}")
        now = _version_before(model_store, versions, iteration)
        if said.get("parent") == now:
            versions[iteration] = version
        else:
            left_out[iteration] = f"it was trained on {said.get('parent')} in an earlier run, {start} is {now} now"
    return Lineage(versions, left_out)


def _reward_models(model_store: ModelStore, arm: str) -> Lineage:
    versions: dict[str, str] = {}
    left_out: dict[str, str] = {}
    ad_llms = _ad_llms(model_store, arm).versions
    for iteration in _there(model_store, "pctr", arm):
        version, said = model_store.about("pctr", f"{arm}/{iteration}")
        start, policy = deployed_pointer(arm, iteration), said.get("policy")
        now = _version_before(model_store, ad_llms, iteration) if policy is not None else None
        if iteration in ad_llms if policy is None else policy == now:
            versions[iteration] = version
        elif policy is None:
            left_out[iteration] = f"there is no ad_llm[{arm}|{iteration}] of the same run"
        elif now is None:
            left_out[iteration] = f"{start}, whose answers it was fitted on, is missing or left out too"
        else:
            left_out[iteration] = f"it was fitted on answers of {policy} in an earlier run, {start} is {now} now"
    return Lineage(versions, left_out)


def _there(model_store: ModelStore, kind: str, arm: str) -> list[str]:
    return [iteration for iteration in ITERATIONS if model_store.exists(kind, f"{arm}/{iteration}")]


def _version_before(model_store: ModelStore, ad_llms: Mapping[str, str], iteration: str) -> str | None:
    """The version of the Ad-LLM that an iteration deploys; None where it is no part of the lineage."""
    previous = previous_iteration(iteration)
    return model_store.about("ad_llm", "base")[0] if previous is None else ad_llms.get(previous)
