"""What an earlier run left in the store is no part of the new one, however many iterations that had."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.evaluation import mechanism_outcomes
from assets.lineage import evaluated_iterations, lineage
from assets.study import load_fits
from resources.lake import Lake
from resources.model_store import ModelStore, ModelStoreError
from tests.evaluated_market import build_market, publish, publish_iteration, run

ARM = "llm_auction"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Three iterations of one run, and two of a later one under another setting."""
    store = ModelStore(data_dir=str(tmp_path))
    for skills in ((0.1, 0.2, 0.3), (0.4, 0.5)):
        policy = publish(store, "base", 0.0)
        for number, skill in enumerate(skills, start=1):
            policy = publish_iteration(store, ARM, f"{number:02d}", skill, policy)
    return store


@pytest.mark.parametrize(("kind", "asset"), [("ad_llm", "ad_llm"), ("pctr", "pctr_model")])
def test_the_third_iteration_of_the_run_before_is_left_out_and_named(store: ModelStore, kind: str, asset: str) -> None:
    told: list[str] = []
    assert evaluated_iterations(store, kind, ARM, told.append) == ["01", "02"]
    (line,) = told
    assert line.startswith(f"{asset}[{ARM}|03] is left out: ") and "in an earlier run" in line
    assert store.about("ad_llm", f"{ARM}/02")[0] in line


def test_its_fit_is_not_shown(store: ModelStore) -> None:
    told: list[str] = []
    assert [(fit.arm, fit.iteration) for fit in load_fits(store, {}, told.append)] == [(ARM, "01"), (ARM, "02")]
    assert [line.partition(" is ")[0] for line in told] == [f"pctr_model[{ARM}|03]"]


def test_a_run_that_stopped_leaves_its_own_iterations(store: ModelStore) -> None:
    base = store.about("ad_llm", "base")[0]
    first = publish(store, f"{ARM}/01", 0.9, base)
    assert list(lineage(store, "ad_llm", ARM).versions) == ["01"]
    assert list(lineage(store, "pctr", ARM).versions) == ["01"]
    # The next iteration has its reward model, not its Ad-LLM.
    publish_iteration(store, ARM, "02", 0.5, first)
    publish(store, f"{ARM}/02", 0.5, "another")
    assert list(lineage(store, "pctr", ARM).versions) == ["01", "02"]
    assert lineage(store, "ad_llm", ARM).left_out["03"] == f"{ARM}/02 is left out too"


def test_reward_models_of_earlier_versions_go_with_their_ad_llm(store: ModelStore) -> None:
    for iteration in ("01", "02", "03"):
        old = lambda aside, text=iteration: (aside / "config.json").write_text(text)  # noqa: E731
        store.publish("pctr", f"{ARM}/{iteration}", old, {"metrics": {}})
    assert list(lineage(store, "pctr", ARM).versions) == ["01", "02"]


def test_another_base_model_leaves_nothing_and_says_what_to_do(store: ModelStore) -> None:
    publish(store, "base", 0.7)
    with pytest.raises(ValueError, match=r"materialize ad_llm\[llm_auction\|01\] first \(.*\|01\] is left out: it was"):
        evaluated_iterations(store, "ad_llm", ARM, print)


def test_a_base_model_that_is_gone_is_named(store: ModelStore) -> None:
    store.pointer_path("ad_llm", "base").unlink()
    with pytest.raises(ModelStoreError, match="materialize pretrained_ad_llm"):
        lineage(store, "ad_llm", ARM)


def test_mechanisms_take_the_last_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    store = ModelStore(data_dir=str(tmp_path))
    publish_iteration(store, ARM, "01", 0.9, store.about("ad_llm", "base")[0])
    with DagsterInstance.ephemeral() as instance:
        for name in (ARM, "mosaic_tuned"):
            run(tmp_path, mechanism_outcomes, instance, name)
    found = Lake(data_dir=str(tmp_path)).read("mechanism_outcomes", {"mechanism": ARM})
    assert found["iteration"].unique().to_list() == ["01"]
