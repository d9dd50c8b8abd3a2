"""Tables of the evaluation keep their settings, and different ones never meet in a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.answer_quality import answer_quality
from assets.evaluation import mechanism_outcomes, study_report
from assets.measured_settings import common_settings, measured_settings
from assets.study import load_seed_run, write_report
from llm_auction.profiles import load_profile
from resources.lake import MARKER, Lake
from resources.model_store import ModelStore
from tests.evaluated_market import build_market, run
from tests.synthetic_study import synthetic_profile, synthetic_run

TABLE = "mechanism_outcomes"


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    build_market(tmp_path, monkeypatch)
    return tmp_path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reward.ad_weight", "1"),
        ("reward.bids_on", "conversions"),
        ("bidding.high", "50"),
        ("population.profiles", "7"),
        ("evaluation.test_queries", "3"),
        ("evaluation.reserve_price", "20"),
        ("sampling.temperature", "1"),
        ("seed", "3"),
    ],
)
def test_what_figures_mean_is_kept(field: str, value: str) -> None:
    usual, changed = (measured_settings(load_profile("smoke", one)) for one in ({}, {field: value}))
    assert [name for name in usual if usual[name] != changed[name]] == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dpo.beta", "0.3"),
        ("evaluation.mosaic_taus", "[1, 5]"),
        ("evaluation.bootstrap_resamples", "9"),
        ("properties.bid_answers", "9"),
        ("population.train_queries", "9"),
        ("user.timeout_seconds", "9"),
    ],
)
def test_what_leaves_their_meaning_may_differ(field: str, value: str) -> None:
    assert measured_settings(load_profile("smoke", {field: value})) == measured_settings(load_profile("smoke"))


def test_another_penalty_is_refused_and_its_mechanism_named(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", "best_of_n"):
            run(data_dir, mechanism_outcomes, instance, name)
        run(data_dir, mechanism_outcomes, instance, "llm_auction", {"reward.ad_weight": "1"})
        with pytest.raises(ValueError, match=r"-m llm_auction was measured with reward\.ad_weight=1\.0; ") as refused:
            run(data_dir, study_report, instance)
        assert "-m pretrained, -m best_of_n with reward.ad_weight=4.0" in str(refused.value)
        assert "`llm-auction evaluate -m llm_auction --set reward.ad_weight=4.0`" in str(refused.value)
        run(data_dir, mechanism_outcomes, instance, "llm_auction")
        assert run(data_dir, study_report, instance).success


def test_a_check_under_other_settings_is_refused(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", "llm_auction"):
            run(data_dir, mechanism_outcomes, instance, name)
        run(data_dir, answer_quality, instance, None, {"bidding.high": "50"})
        with pytest.raises(ValueError, match=r"--property quality was measured with bidding\.high=50"):
            run(data_dir, study_report, instance)


def test_tables_without_settings_are_still_read(data_dir: Path) -> None:
    lake = Lake(data_dir=str(data_dir))
    with DagsterInstance.ephemeral() as instance:
        run(data_dir, mechanism_outcomes, instance, "pretrained", {"reward.ad_weight": "1"})
        run(data_dir, mechanism_outcomes, instance, "llm_auction")
    marker = lake.path(TABLE, {"mechanism": "pretrained"}) / MARKER
    content = json.loads(marker.read_text())
    version = lake.data_version(TABLE, {"mechanism": "pretrained"})
    del content["settings"]
    marker.write_text(json.dumps(content))
    assert lake.data_version(TABLE, {"mechanism": "pretrained"}) == version
    found = load_seed_run(lake, ModelStore(data_dir=str(data_dir)))
    assert found.settings["reward.ad_weight"] == 4.0


def test_a_field_that_only_some_know_passes() -> None:
    measured = {"-m a": {"x": 1}, "-m b": {"x": 1, "y": 2}, "-m c": None, "-m d": {}}
    assert common_settings(measured, "llm-auction evaluate") == {"x": 1, "y": 2}
    with pytest.raises(ValueError, match=r"-m e was measured with y=none; .*--set y=2"):
        common_settings({**measured, "-m d": {"y": 2}, "-m e": {"y": None}}, "llm-auction evaluate")


def test_seeds_under_other_settings_are_not_pooled(tmp_path: Path) -> None:
    profile = synthetic_profile()
    runs = [
        replace(synthetic_run(seed, 4), settings={"seed": seed, "reward.ad_weight": weight})
        for seed, weight in ((0, 4.0), (1, 4.0), (2, 1.0))
    ]
    assert write_report(runs[:2], tmp_path / "two", profile).study.seeds == (0, 1)
    with pytest.raises(ValueError, match=r"--seed 2 was measured with reward\.ad_weight=1\.0") as refused:
        write_report(runs, tmp_path / "three", profile)
    assert "`llm-auction run --seed 2 --set reward.ad_weight=4.0`" in str(refused.value)
