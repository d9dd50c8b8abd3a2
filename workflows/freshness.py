"""Whether a stage's result is there and still stands, so that a second `llm-auction run` goes on where one stopped.

An iteration stands when its model in the store is sound and was made from the same start, the same market and the same
settings. An evaluation or a property check stands when its last run succeeded and carries the fingerprint of the same
inputs. Code is no part of that: a correction of a word would train everything again. What other code has made is named
instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dagster import AssetRecordsFilter, DagsterInstance, DagsterRunStatus, Definitions, RunsFilter

from assets.measured_models import models_behind
from assets.mechanism_runs import MODELS_OF
from assets.partitions import deployed_pointer, partition_of
from assets.properties import MODELS_OF_CHECKS, OF_OUTCOMES, PROPERTIES, TABLES_OF
from assets.provenance import MARKET_TABLES, WAYS_TO_THE_SAME, iteration_settings, market_versions
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA
from llm_auction.profiles import Profile
from resources.lake import Lake
from resources.model_store import ModelStore, ModelStoreError
from workflows.execution import FINGERPRINT_TAG
from workflows.stages import Stage, property_job

# Where Dagster keeps the code version of what a step made.
CODE_VERSION_TAG = "dagster/code_version"
CHECK_OF_JOB = {property_job(name): name for name in PROPERTIES}
NOT_OF_A_CHECK: tuple[str, ...] = ("iterations", "arms", "ablations", "name", "engine", "launcher", "cost")
NOT_OF_AN_EVALUATION = (*NOT_OF_A_CHECK, "properties", "judge")
# The check that a judge takes part in.
JUDGED = "quality"


def stands(
    stage: Stage, profile: Profile, lake: Lake, store: ModelStore, instance: DagsterInstance, tags: Mapping[str, str]
) -> bool:
    """Whether the stage need not run again; `tags` are those that `run_tags` gives it now."""
    if stage.job == "irpo_iteration" and stage.partition is not None:
        return _iteration_stands(partition_of(stage.partition), profile, lake, store)
    if stage.job == "evaluation" and stage.partition is not None:
        there = lake.exists("mechanism_outcomes", {"mechanism": stage.partition})
        return there and _ran_last(stage, instance, tags)
    if stage.job in CHECK_OF_JOB:
        return lake.exists(PROPERTIES[CHECK_OF_JOB[stage.job]]) and _ran_last(stage, instance, tags)
    return False


def made_by_other_code(stage: Stage, definitions: Definitions, instance: DagsterInstance) -> list[str]:
    """The assets of a stage whose newest result was made by another code version than the installed one.

    Code versions are those of the assets, whose owners raise them when a result can change; of dbt models, a hash of
    their SQL. An asset that Dagster has no record of, or none with a version, is not named.
    """
    assets = definitions.resolve_job_def(stage.job).asset_layer
    found = []
    for key in sorted(assets.selected_asset_keys):
        partitions = [stage.partition] if stage.partition is not None else None
        newest = instance.fetch_materializations(AssetRecordsFilter(key, asset_partitions=partitions), limit=1).records
        materialization = newest[0].asset_materialization if newest else None
        made_by = (materialization.tags or {}).get(CODE_VERSION_TAG) if materialization is not None else None
        # Without a version of its own an asset takes the id of its run for one.
        installed = assets.get(key).code_version
        if None not in (made_by, installed) and made_by != installed:
            found.append(key.to_user_string())
    return found


def run_tags(stage: Stage, profile: Profile, lake: Lake, store: ModelStore) -> dict[str, str]:
    """The tags of the stage's run: for an evaluation or a check, the fingerprint of all that it depends on."""
    if stage.job == "evaluation":
        left_out: tuple[str, ...] = NOT_OF_AN_EVALUATION
        models: tuple[tuple[str, str], ...] = MODELS_OF.get(str(stage.partition), ())
        own: dict[str, Any] = {"columns": list(OUTCOME_SCHEMA)}
    elif stage.job in CHECK_OF_JOB:
        check = CHECK_OF_JOB[stage.job]
        left_out = NOT_OF_A_CHECK if check == JUDGED else (*NOT_OF_A_CHECK, "judge")
        models = () if check in OF_OUTCOMES else MODELS_OF_CHECKS
        own = {table: lake.data_versions(table) for table in TABLES_OF.get(check, ())}
    else:
        return {}
    inputs = {
        "profile": profile.model_dump(mode="json", exclude={**WAYS_TO_THE_SAME, **dict.fromkeys(left_out, True)}),
        "market": market_versions(lake) if all(map(lake.exists, MARKET_TABLES)) else None,
        "models": models_behind(store, models),
        **own,
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
    partition = {"dagster/partition": stage.partition} if stage.partition is not None else {}
    records = instance.get_run_records(RunsFilter(job_name=stage.job, tags=partition), limit=1)
    if not records:
        return False
    run = records[0].dagster_run
    return run.status == DagsterRunStatus.SUCCESS and run.tags.get(FINGERPRINT_TAG) == tags.get(FINGERPRINT_TAG)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
