"""Whether a stage's result is there and still stands, so that a second `llm-auction run` goes on where one stopped.

An iteration stands when its model in the store is sound and was made from the same start, the same market and the same
settings. An evaluation stands when its last successful run carries the fingerprint of the same inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from assets.partitions import ARMS, ITERATIONS, deployed_pointer, partition_of
from assets.provenance import HOW_A_USER_IS_REACHED, MARKET_TABLES, iteration_settings, market_versions
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA
from llm_auction.profiles import Profile
from resources.lake import Lake
from resources.model_store import ModelStore, ModelStoreError
from workflows.execution import FINGERPRINT_TAG
from workflows.stages import Stage

# The models on which a mechanism's outcomes depend, beside the base model: (kind, arm).
MODELS_OF = {
    "mosaic": (("pctr", "llm_auction"),),
    "mosaic_tuned": (("pctr", "llm_auction"), ("ad_llm", "llm_auction")),
    **{arm: (("ad_llm", arm),) for arm in ARMS},
}
NOT_OF_AN_EVALUATION = dict.fromkeys(("iterations", "arms", "name", "properties", "engine", "cost"), True)


def stands(
    stage: Stage, profile: Profile, lake: Lake, store: ModelStore, instance: DagsterInstance, tags: Mapping[str, str]
) -> bool:
    """Whether the stage need not run again; `tags` are those that `run_tags` gives it now."""
    if stage.job == "irpo_iteration" and stage.partition is not None:
        return _iteration_stands(partition_of(stage.partition), profile, lake, store)
    if stage.job == "evaluation" and stage.partition is not None:
        there = lake.exists("mechanism_outcomes", {"mechanism": stage.partition})
        return there and _ran_last(stage, instance, tags)
    return False


def run_tags(stage: Stage, profile: Profile, lake: Lake, store: ModelStore) -> dict[str, str]:
    """The tags of the stage's run: for an evaluation, the fingerprint of all that it depends on."""
    if stage.job != "evaluation":
        return {}
    inputs = {
        "profile": profile.model_dump(mode="json", exclude={**NOT_OF_AN_EVALUATION, **HOW_A_USER_IS_REACHED}),
        "columns": list(OUTCOME_SCHEMA),
        "market": market_versions(lake) if all(map(lake.exists, MARKET_TABLES)) else None,
        "models": _models(store, MODELS_OF.get(str(stage.partition), ())),
    }
    return {FINGERPRINT_TAG: _digest(inputs)}


def _iteration_stands(partition: Mapping[str, str], profile: Profile, lake: Lake, store: ModelStore) -> bool:
    arm, iteration = partition["arm"], partition["iteration"]
    try:
        model = store.resolve("ad_llm", f"{arm}/{iteration}")
        start = store.resolve("ad_llm", deployed_pointer(arm, iteration))
    except ModelStoreError:
        return False
    metadata = model.metadata
    return (
        all(lake.exists(table, partition) for table in ("ad_responses", "click_feedback", "preference_pairs"))
        and all(map(lake.exists, MARKET_TABLES))
        and metadata.get("parent") == start.version
        and metadata.get("settings") == iteration_settings(profile.of_arm(arm))
        and metadata.get("data_versions")
        == {**market_versions(lake), "preference_pairs": lake.data_version("preference_pairs", partition)}
    )


def _ran_last(stage: Stage, instance: DagsterInstance, tags: Mapping[str, str]) -> bool:
    """Whether the newest run of the stage succeeded with the same fingerprint."""
    records = instance.get_run_records(
        RunsFilter(job_name=stage.job, tags={"dagster/partition": str(stage.partition)}), limit=1
    )
    if not records:
        return False
    run = records[0].dagster_run
    return run.status == DagsterRunStatus.SUCCESS and run.tags.get(FINGERPRINT_TAG) == tags.get(FINGERPRINT_TAG)


def _models(store: ModelStore, prefixes: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The versions of the models of some (kind, arm) that are there so far, by pointer."""
    versions = {}
    for kind, arm in prefixes:
        for iteration in ITERATIONS:
            if store.exists(kind, f"{arm}/{iteration}"):
                versions[f"{kind}/{arm}/{iteration}"] = store.resolve(kind, f"{arm}/{iteration}").version
    return versions


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
