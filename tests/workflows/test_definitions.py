"""The definitions as a whole: they load fast, and every asset tells what it is."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from dagster import AssetKey, Definitions, FreshnessPolicy

from assets.properties import PROPERTIES
from workflows.stages import property_job

ROOT = Path(__file__).resolve().parents[2]
IRPO_CHAIN = [
    "deployed_ad_llm",
    "ad_responses",
    "click_feedback",
    "conversion_feedback",
    "fct_ad_conversions",
    "fct_ad_impressions",
    "fct_responses",
    "pctr_model",
    "preference_pairs",
    "ad_llm",
]
UNPARTITIONED = ["ad_catalog", "user_profiles", "user_queries", "ad_candidates", "pretrained_ad_llm", "study_report"]
NIGHTLY = ["nightly_pctr_model", "reward_model_champion"]


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATA_DIR", str(tmp_path_factory.mktemp("data")))
        from workflows.definitions import gather

        return gather()


@pytest.mark.parametrize("name", [*UNPARTITIONED, *IRPO_CHAIN, *NIGHTLY, "mechanism_outcomes"])
def test_assets_of_the_design_are_there_and_documented(definitions: Definitions, name: str) -> None:
    node = definitions.resolve_asset_graph().get(AssetKey(name))
    assert node.group_name in {"market", "base", "irpo", "evaluation", "production"}
    assert node.description
    assert node.owners
    assert node.kinds
    assert node.code_version
    assert node.is_partitioned == (name not in UNPARTITIONED)


def test_the_ui_says_when_a_night_is_overdue(definitions: Definitions) -> None:
    for name in ("click_log", *NIGHTLY):
        policy = definitions.resolve_asset_graph().get(AssetKey(name)).freshness_policy
        assert policy == FreshnessPolicy.time_window(fail_window=timedelta(hours=30)), name


def test_everything_in_the_ui_says_what_it_is(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for node in graph.asset_nodes:
        if node.is_materializable:
            first, *_ = (node.description or "").splitlines()
            assert first[:1].isupper() and first.endswith((".", "`.")), node.key
            assert node.owners and node.kinds and node.code_version, node.key
            assert "Raw SQL" not in (node.description or ""), node.key
    checks = {key: graph.get(key).description for key in graph.asset_check_keys}
    assert [key for key, description in checks.items() if not description] == []
    automations = [*(definitions.schedules or []), *(definitions.sensors or [])]
    assert [one.name for one in automations if not one.description] == []


def test_jobs_resolve_and_the_iteration_holds_the_whole_chain(definitions: Definitions) -> None:
    for name in ("market_and_base", "irpo_iteration", "evaluation", "study"):
        assert definitions.resolve_job_def(name).description
    keys = {
        key.to_user_string() for key in definitions.resolve_job_def("irpo_iteration").asset_layer.selected_asset_keys
    }
    assert set(IRPO_CHAIN) <= keys


def test_every_property_has_an_asset_and_a_job_of_its_own(definitions: Definitions) -> None:
    for name, asset in PROPERTIES.items():
        node = definitions.resolve_asset_graph().get(AssetKey(asset))
        assert node.group_name == "evaluation" and node.description and not node.is_partitioned
        keys = definitions.resolve_job_def(property_job(name)).asset_layer.selected_asset_keys
        assert [key.to_user_string() for key in keys] == [asset]


def test_whatever_writes_the_warehouse_or_takes_much_memory_is_in_its_pool(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for name, pool in [
        ("ad_responses", "gpu"),
        ("preference_pairs", "gpu"),
        ("ad_llm", "gpu"),
        ("mechanism_outcomes", "gpu"),
        ("fct_responses", "duckdb"),
        ("nightly_pctr_model", "refit"),
    ]:
        assert graph.get(AssetKey(name)).pools == {pool}, name


def test_the_arms_fit_their_reward_models_side_by_side(definitions: Definitions) -> None:
    assert not definitions.resolve_asset_graph().get(AssetKey("pctr_model")).pools


def test_loading_imports_no_heavy_library(tmp_path: Path) -> None:
    heavy = ("torch", "transformers", "trl", "great_expectations", "pandas", "altair", "sklearn")
    code = f"import sys, workflows.definitions; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_backfill_of_the_production_path_is_one_run_a_day(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    selected = definitions.resolve_job_def("production_day").asset_layer.selected_asset_keys
    assert {"click_log", "fct_click_log_impressions", "reward_model_champion"} <= {
        key.to_user_string() for key in selected
    }
    for key in selected:
        policy = graph.get(key).backfill_policy
        # Without a policy Dagster gives every partition a run of its own, under the tag that the queue's rule reads.
        assert policy is None or policy.max_partitions_per_run == 1, key
