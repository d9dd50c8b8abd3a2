"""Tables of the evaluation keep the models that they were measured with, and a report is about one run's models."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.answer_quality import answer_quality
from assets.evaluation import mechanism_outcomes
from assets.incentives import incentive_report
from assets.measured_models import evaluated_run, models_behind, of_another_run, why_left_out
from assets.properties import MODELS_OF_CHECKS
from assets.study import load_seed_run
from llm_auction.report.study import Study
from llm_auction.report.verdict import caveats
from resources.lake import Lake
from resources.model_store import ModelStore
from tests.evaluated_market import build_market, publish, publish_iteration, publish_reward_model, run
from tests.synthetic_study import synthetic_bid_curves, synthetic_profile

TABLE = "mechanism_outcomes"
ARM = "llm_auction"
SMALL = {"evaluation.test_queries": "2", "evaluation.mosaic_taus": "[1]"}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    build_market(tmp_path, monkeypatch)
    return tmp_path


def train_anew(data_dir: Path) -> ModelStore:
    """Two iterations under another setting, from the same base model."""
    store = ModelStore(data_dir=str(data_dir))
    policy = store.about("ad_llm", "base")[0]
    for iteration, skill in {"01": 0.7, "02": 0.8}.items():
        policy = publish_iteration(store, ARM, iteration, skill, policy)
    return store


def test_tables_of_an_older_ad_llm_are_left_out_and_named(data_dir: Path) -> None:
    lake = Lake(data_dir=str(data_dir))
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", ARM, "mosaic_tuned"):
            run(data_dir, mechanism_outcomes, instance, name, SMALL)
        curves = synthetic_bid_curves(synthetic_profile(queries=2))
        lake.write("bid_monotonicity", curves, models=lake.models(TABLE, {"mechanism": ARM}))
        before = load_seed_run(lake, ModelStore(data_dir=str(data_dir)))
        assert not before.left_out and set(before.checks) == {"bid_monotonicity"}
        assert [fit.iteration for fit in before.fits] == ["01", "02"]

        store = train_anew(data_dir)
        # What was evaluated still belongs together, but for the second fit, which the store no longer has.
        between = load_seed_run(lake, store)
        assert between.checks.keys() == before.checks.keys() and not between.left_out
        assert [fit.iteration for fit in between.fits] == ["01"]

        run(data_dir, mechanism_outcomes, instance, ARM, SMALL)
    after = load_seed_run(lake, store)
    assert set(after.left_out) == {f"{TABLE}[mosaic_tuned]", "bid_monotonicity"}
    assert set(after.outcomes["mechanism"]) == {"pretrained", ARM} and not after.checks
    assert [fit.iteration for fit in after.fits] == ["01", "02"]
    page = " ".join(caveats(Study.of([after], 50)))
    assert "bid_monotonicity is left out: it was measured with other models (llm_auction)" in page
    assert "`llm-auction evaluate -m mosaic_tuned` measures it again" in page


def test_what_is_to_be_measured_again_is_what_the_store_no_longer_has(data_dir: Path) -> None:
    store = ModelStore(data_dir=str(data_dir))
    first = models_behind(store, MODELS_OF_CHECKS)
    policy = store.about("ad_llm", f"{ARM}/02")[0]
    # An iteration that ended between its reward model and its Ad-LLM.
    publish_reward_model(store, ARM, "03", policy)
    stopped = models_behind(store, MODELS_OF_CHECKS)
    assert set(stopped) - set(first) == {f"pctr/{ARM}/03"}

    def told(models: dict[str, str], run: dict[str, str], options: str = "-m mosaic") -> str:
        return str(why_left_out(models, run, store, options)).partition("`llm-auction ")[2].partition("`")[0]

    assert told(first, stopped) == "evaluate -m mosaic"
    assert told(stopped, first) == "evaluate -m llm_auction"
    assert told(stopped, first, "--property continuity") == "evaluate -m llm_auction"
    train_anew(data_dir)
    assert told(stopped, first) == "evaluate -m llm_auction -m mosaic"
    assert why_left_out(first, first, store, "-m mosaic") is None
    publish(store, "base", 0.9)
    of_old_base = {"ad_llm/base": first["ad_llm/base"]}
    assert told(models_behind(store, ()), of_old_base, "-m pretrained") == "run"
    assert told(of_old_base, models_behind(store, ()), "-m pretrained") == "evaluate -m pretrained"


def test_a_check_of_outcomes_takes_those_of_one_run(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        for name in (ARM, "mosaic"):
            run(data_dir, mechanism_outcomes, instance, name, SMALL)
        train_anew(data_dir)
        run(data_dir, mechanism_outcomes, instance, ARM, SMALL)
        run(data_dir, answer_quality, instance, None, SMALL)
    lake = Lake(data_dir=str(data_dir))
    assert set(lake.read("answer_quality")["mechanism"]) == {ARM}
    assert lake.models("answer_quality") == lake.models(TABLE, {"mechanism": ARM})
    assert set(evaluated_run(lake, ModelStore(data_dir=str(data_dir))).left_out) == {"mosaic"}


def test_incentives_need_bid_curves_of_the_same_models(data_dir: Path) -> None:
    lake, store = Lake(data_dir=str(data_dir)), ModelStore(data_dir=str(data_dir))
    curves = synthetic_bid_curves(synthetic_profile(queries=2))
    lake.write("bid_monotonicity", curves, models=models_behind(store, MODELS_OF_CHECKS))
    train_anew(data_dir)
    refused = pytest.raises(ValueError, match=r"bid_monotonicity was measured with other models \(llm_auction\)")
    with DagsterInstance.ephemeral() as instance, refused:
        run(data_dir, incentive_report, instance)


def test_one_more_iteration_makes_another_run() -> None:
    three = {f"ad_llm/{ARM}/0{t}": f"v{t}" for t in (1, 2, 3)}
    base = {"ad_llm/base": "v0"}
    run_of_three = {**base, **three, f"pctr/{ARM}/01": "p1"}
    assert of_another_run({**base, **three}, run_of_three) == []
    assert of_another_run({f"ad_llm/{ARM}/01": "v1"}, run_of_three) == [ARM]
    assert of_another_run({f"pctr/{ARM}/01": "p2", **three}, run_of_three) == [ARM]
    assert of_another_run({"ad_llm/base": "other"}, run_of_three) == ["the base model"]
    assert of_another_run({"ad_llm/oracle/01": "o1"}, run_of_three) == of_another_run({}, run_of_three) == []


def test_tables_without_models_pass(data_dir: Path) -> None:
    lake = Lake(data_dir=str(data_dir))
    with DagsterInstance.ephemeral() as instance:
        for name in (ARM, "mosaic"):
            run(data_dir, mechanism_outcomes, instance, name, SMALL)
    partition = {"mechanism": "mosaic"}
    lake.write(TABLE, lake.read(TABLE, partition), partition)
    assert lake.models(TABLE, partition) is None
    assert evaluated_run(lake, ModelStore(data_dir=str(data_dir))).mechanisms == ("mosaic", ARM)
