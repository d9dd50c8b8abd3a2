"""Every model of the dbt project is described, typed and tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from resources.dbt_project import PROJECT_DIR, DbtProjectError, dbt_manifest


@pytest.fixture(scope="module")
def nodes() -> list[dict[str, object]]:
    return list(json.loads(dbt_manifest().read_text(encoding="utf-8"))["nodes"].values())


def test_every_model_and_column_is_described_and_typed(nodes: list[dict[str, object]]) -> None:
    models = [node for node in nodes if node["resource_type"] == "model"]
    assert len(models) >= 12
    for model in models:
        assert model["description"], model["name"]
        assert model["config"]["contract"]["enforced"], model["name"]  # type: ignore[index]
        for column in model["columns"].values():  # type: ignore[attr-defined]
            assert column["description"], f"{model['name']}.{column['name']}"
            assert column["data_type"], f"{model['name']}.{column['name']}"


def test_every_model_has_a_data_test(nodes: list[dict[str, object]]) -> None:
    tested = {node["attached_node"] for node in nodes if node["resource_type"] == "test"}
    assert {node["unique_id"] for node in nodes if node["resource_type"] == "model"} <= tested


def test_a_fresh_manifest_is_not_made_again() -> None:
    manifest = dbt_manifest()
    made = manifest.stat().st_mtime_ns
    assert dbt_manifest() == manifest
    assert manifest.stat().st_mtime_ns == made


@pytest.mark.slow
def test_a_changed_project_gets_a_new_manifest_and_a_broken_one_a_clear_error(tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT_DIR, project, ignore=shutil.ignore_patterns("target", "logs"))
    first = dbt_manifest(project)
    assert first.exists()
    model = project / "models" / "market" / "stg_ads.sql"
    model.write_text(model.read_text() + "\n{{ ref('nowhere') }}\n")
    with pytest.raises(DbtProjectError, match="nowhere"):
        dbt_manifest(project)
    assert list((project / "target").iterdir()) == [first.parent]
