"""The loop under Dagster's real daemon and webserver, driven over GraphQL as the UI does.

The graph, dbt, the checks and the reward model are the real ones; only the language model is scripted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.model_store import ModelStore
from tests.workflows.stubs.deployment import Deployment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

STALE = """
query Stale($partition: String!) {
  assetNodes(assetKeys: [{path: ["ad_responses"]}]) { staleStatus(partition: $partition) }
}
"""
GROUP = '{ assetNodes(group: {groupName: "irpo", %s}) { assetKey { path } } }'


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deployment")


@pytest.fixture(scope="module")
def deployment(data_dir: Path, tiny_model_dir: Path) -> Iterator[Deployment]:
    settings = {"LLM_AUCTION__AD_LLM__BASE": str(tiny_model_dir), "LLM_AUCTION__PCTR__MAX_EPOCHS": "2"}
    started = Deployment(data_dir, "tests.workflows.stubs.definitions", settings)
    try:
        run = started.launch("market_and_base")
        (ended,) = started.finished_runs(1, 300, runIds=[run])
        assert ended["status"] == "SUCCESS", started.events(run)
        yield started
    finally:
        started.close()


def irpo_assets(deployment: Deployment) -> list[str]:
    repository = ", ".join(f'{key}: "{value}"' for key, value in deployment.repository.items())
    return [node["assetKey"]["path"][-1] for node in deployment.query(GROUP % repository)["assetNodes"]]


def keys(arm: str, *iterations: int) -> list[str]:
    return [f"{arm}|{iteration:02d}" for iteration in iterations]


def test_the_loop_from_the_ui(deployment: Deployment, data_dir: Path) -> None:
    store = ModelStore(data_dir=str(data_dir))
    assets = irpo_assets(deployment)

    # Two arms at once; the second iteration of one of them fails.
    (data_dir / "fail-oracle-02").touch()
    first = deployment.backfill(assets, [*keys("llm_auction", 1, 2, 3), *keys("oracle", 1, 2, 3)])
    ended = deployment.finished_runs(6, 1200, tags=[{"key": "dagster/backfill", "value": first}])
    runs = {run["tags"]["dagster/partition"]: run for run in ended}
    assert {key: run["status"] for key, run in runs.items()} == {
        **dict.fromkeys(keys("llm_auction", 1, 2, 3), "SUCCESS"),
        "oracle|01": "SUCCESS",
        "oracle|02": "FAILURE",
        "oracle|03": "FAILURE",
    }

    # In order within an arm, side by side between arms.
    for arm in ("llm_auction", "oracle"):
        one, two, three = (runs[key] for key in keys(arm, 1, 2, 3))
        assert one["endTime"] <= two["startTime"]
        assert two["endTime"] <= three["startTime"]
    assert runs["oracle|01"]["startTime"] < runs["llm_auction|01"]["endTime"]
    assert runs["llm_auction|01"]["startTime"] < runs["oracle|01"]["endTime"]

    # Each iteration was trained on the one before.
    models = {key: store.resolve("ad_llm", key.replace("|", "/")) for key in keys("llm_auction", 1, 2, 3)}
    parents = [model.metadata["parent"] for model in models.values()]
    assert parents == [store.resolve("ad_llm", "base").version, *[m.version for m in models.values()][:2]]

    # The iteration after the failed one refused at once, said why, and trained on nothing.
    refused = deployment.events(runs["oracle|03"]["runId"])
    failures = [event for event in refused if event["__typename"] == "ExecutionStepFailureEvent"]
    assert [event["stepKey"] for event in failures] == ["deployed_ad_llm"]
    reasons = " ".join(cause["message"] for cause in failures[0]["error"]["causes"])
    assert "iteration 03 of arm oracle is not started: iteration 02 of the same backfill" in reasons
    assert runs["oracle|02"]["runId"] in reasons
    assert not any(event["__typename"] == "MaterializationEvent" for event in refused)
    assert not store.exists("ad_llm", "oracle/03")

    # What failed is run again, and the first iteration of the other arm too, which turns what was built on it stale.
    (data_dir / "fail-oracle-02").unlink()
    (data_dir / "flavour").write_text("another")
    assert deployment.query(STALE, partition="llm_auction|02")["assetNodes"][0]["staleStatus"] == "FRESH"
    second = deployment.backfill(assets, [*keys("oracle", 2), *keys("llm_auction", 1)])
    again = deployment.finished_runs(2, 900, tags=[{"key": "dagster/backfill", "value": second}])
    assert {run["status"] for run in again} == {"SUCCESS"}
    assert store.resolve("ad_llm", "oracle/02").metadata["parent"] == store.resolve("ad_llm", "oracle/01").version
    assert deployment.query(STALE, partition="llm_auction|02")["assetNodes"][0]["staleStatus"] == "STALE"

    # Nobody ever met a locked warehouse.
    for run in [*ended, *again]:
        messages = [str(event) for event in deployment.events(run["runId"])]
        assert not any("Could not set lock" in message for message in messages)
