"""What stands for a run to go on from, and what is named because another version of the code made it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dagster import (
    AssetMaterialization,
    AssetsDefinition,
    DagsterInstance,
    Definitions,
    StaticPartitionsDefinition,
    asset,
    define_asset_job,
)

from assets.provenance import iteration_settings
from llm_auction.profiles import load_profile
from resources.lake import Lake
from resources.model_store import ModelStore
from workflows.execution import execute_stage
from workflows.freshness import made_by_other_code, run_tags
from workflows.progress import progress_logger
from workflows.stages import Stage, evaluation_stage, property_stage

PARTITIONS = StaticPartitionsDefinition(["oracle|01", "oracle|02"])
STAGE = Stage("oracle 01", "irpo_iteration", "oracle|01")


def definitions(**code_versions: str | None) -> Definitions:
    """Assets of these code versions, in one job."""

    def made(name: str, code_version: str | None) -> AssetsDefinition:
        @asset(name=name, partitions_def=PARTITIONS, code_version=code_version)
        def nothing() -> None: ...

        return nothing

    assets = [made(name, code_version) for name, code_version in code_versions.items()]
    jobs = [define_asset_job("irpo_iteration", assets)]
    return Definitions(assets=assets, jobs=jobs, loggers={"progress": progress_logger})


def test_only_what_other_code_made_is_named() -> None:
    with DagsterInstance.ephemeral() as instance:
        before = definitions(pctr_model="1", ad_llm="1")
        assert made_by_other_code(STAGE, before, instance) == []
        execute_stage(before, instance, STAGE, {}, lambda kind, fields: None)
        assert made_by_other_code(STAGE, before, instance) == []

        after = definitions(pctr_model="2", ad_llm="1", new_table="1")
        assert made_by_other_code(STAGE, after, instance) == ["pctr_model"]
        execute_stage(after, instance, STAGE, {}, lambda kind, fields: None)
        assert made_by_other_code(STAGE, after, instance) == []
        unversioned = definitions(ad_llm=None)
        execute_stage(unversioned, instance, STAGE, {}, lambda kind, fields: None)
        assert made_by_other_code(STAGE, unversioned, instance) == []
        other = Stage("oracle 02", "irpo_iteration", "oracle|02")
        assert made_by_other_code(other, definitions(pctr_model="3"), instance) == [], "it was never made"


def test_an_announcement_without_a_code_version_says_nothing() -> None:
    with DagsterInstance.ephemeral() as instance:
        announced = AssetMaterialization("deployed_ad_llm", partition=STAGE.partition)
        instance.report_runless_asset_event(announced)
        assert made_by_other_code(STAGE, definitions(deployed_ad_llm="2"), instance) == []


def test_a_judge_matters_to_the_quality_of_answers_alone(tmp_path: Path) -> None:
    lake, store = Lake(data_dir=str(tmp_path)), ModelStore(data_dir=str(tmp_path))
    here, there, none = (
        load_profile("smoke", fields)
        for fields in (
            {"judge.model": "grader", "judge.url": "http://one"},
            {"judge.model": "grader", "judge.url": "http://two", "judge.concurrency": "2"},
            {},
        )
    )
    assert iteration_settings(here) == iteration_settings(none)
    for stage, matters in (
        (property_stage("quality"), True),
        (property_stage("continuity"), False),
        (evaluation_stage("pretrained"), False),
    ):
        tags = [run_tags(stage, profile, lake, store) for profile in (here, there, none)]
        assert tags[0] == tags[1] and (tags[0] != tags[2]) is matters


def test_another_base_makes_every_evaluation_again(tmp_path: Path) -> None:
    """Also of what no arm trained: a report leaves out what was measured on another base than the arms'."""
    lake, store, profile = Lake(data_dir=str(tmp_path)), ModelStore(data_dir=str(tmp_path)), load_profile("smoke")

    def tags(name: str) -> dict[str, str]:
        return run_tags(evaluation_stage(name), profile, lake, store)

    names = ("pretrained", "rag_auction", "best_of_n", "clairvoyant", "mosaic")
    found = []
    for content in ("one", "another"):
        store.publish("ad_llm", "base", partial(_write, content), {})
        found.append([tags(name) for name in names])
    assert all(before != after for before, after in zip(*found, strict=True))


def _write(content: str, folder: Path) -> None:
    (folder / "config.json").write_text(content)
