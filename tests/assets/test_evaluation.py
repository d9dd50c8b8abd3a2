"""`mechanism_outcomes` and `study_report` on a small market, with an engine that writes answers by rule."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance, materialize

from assets.evaluation import mechanism_outcomes, study_report
from assets.mechanism_runs import MECHANISMS
from assets.study import load_seed_run, write_report
from llm_auction.answers import AD_ID_PREFIX
from llm_auction.evaluation.charges import charges_of
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from tests.evaluated_market import OVERRIDES, build_market, run
from tests.faulty_server import faulty_server
from tests.synthetic_study import synthetic_profile


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    build_market(tmp_path, monkeypatch)
    return tmp_path


def outcomes(data_dir: Path, mechanism: str) -> pl.DataFrame:
    return Lake(data_dir=str(data_dir)).read("mechanism_outcomes", {"mechanism": mechanism})


def test_all_mechanisms_meet_the_same_market(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", "mosaic", "llm_auction"):
            run(data_dir, mechanism_outcomes, instance, name)
    frames = {name: outcomes(data_dir, name) for name in ("pretrained", "mosaic", "llm_auction")}
    assert {name: frame.height for name, frame in frames.items()} == {
        "pretrained": 10 * 2,
        "mosaic": 10 * 2 * 3,
        "llm_auction": 10 * 2 * 2,
    }
    markets = [
        frame.select("query_id", "candidate_ad_ids", "bids").unique().sort("query_id") for frame in frames.values()
    ]
    assert markets[0].equals(markets[1]) and markets[0].equals(markets[2])
    assert frames["mosaic"].schema == pl.Schema(OUTCOME_SCHEMA)
    assert frames["mosaic"]["variant"].unique(maintain_order=True).to_list() == ["argmax", "tau=1", "tau=10"]
    assert frames["mosaic"]["generations"].unique().to_list() == [4]
    assert frames["mosaic"]["generated_tokens"].unique().to_list() == [60]
    assert frames["llm_auction"]["iteration"].unique(maintain_order=True).to_list() == ["01", "02"]
    everything = pl.concat(frames.values())
    assert (everything["reward"] <= everything["clairvoyant_reward"] + 1e-9).all()
    paid = frames["llm_auction"]
    assert paid["payment"].to_list() == pytest.approx(paid["expected_revenue"].to_list())
    for row in everything.iter_rows(named=True):
        assert len(row["payments"]) == len(row["candidate_ad_ids"])
        assert sum(row["payments"]) == pytest.approx(row["payment"])
    assert all(found.rational for one, found in charges_of(everything).items() if one.mechanism != "mosaic")


def test_baselines_bring_their_variants(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", "rag_auction", "best_of_n", "clairvoyant"):
            run(data_dir, mechanism_outcomes, instance, name)
    frames = {name: outcomes(data_dir, name) for name in ("pretrained", "rag_auction", "best_of_n", "clairvoyant")}
    variants = {name: frame["variant"].unique(maintain_order=True).to_list() for name, frame in frames.items()}
    assert variants == {
        "pretrained": [None],
        "rag_auction": ["k=1", "k=2", "k=3", "3 segments", "3 segments with replacement"],
        "best_of_n": ["N=1", "N=4"],
        "clairvoyant": [None],
    }
    assert frames["best_of_n"].filter(variant="N=4").height == 10  # one block of four, two of one
    best_of_one = frames["best_of_n"].filter(variant="N=1").drop("mechanism", "variant", "seconds")
    assert best_of_one.equals(frames["pretrained"].drop("mechanism", "variant", "seconds"))
    everything = pl.concat(frames.values())
    assert (everything["payment"] <= everything["expected_revenue"] + 1e-9).all()
    assert (everything["reward"] <= everything["clairvoyant_reward"] + 1e-9).all()
    for name, frame in frames.items():
        assert (frame["seconds"] > 0).all() is (name != "clairvoyant")
        assert frame["utility"].to_list() == pytest.approx((frame["welfare"] - frame["payment"]).to_list())


def test_mosaic_on_tuned_candidates_needs_the_tuned_model(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        for name in ("mosaic", "mosaic_tuned"):
            run(data_dir, mechanism_outcomes, instance, name)
    usual, tuned = (outcomes(data_dir, name) for name in ("mosaic", "mosaic_tuned"))
    assert tuned["variant"].unique(maintain_order=True).to_list() == ["argmax", "tau=1", "tau=10"]
    assert tuned["generations"].unique().to_list() == [4]
    # Bids are hidden from it, so that its skill shows the first candidate of all, whatever that bids.
    assert tuned.filter(variant="argmax")["answer"].to_list() != usual.filter(variant="argmax")["answer"].to_list()


def test_a_reserve_price_leaves_fewer_candidates(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        for name in MECHANISMS[:6]:
            run(data_dir, mechanism_outcomes, instance, name, {"evaluation.reserve_price": "60"})
            frame = outcomes(data_dir, name)
            assert frame["bids"].list.min().min() >= 60
            assert frame["bids"].list.len().min() < 10


def test_outcomes_of_another_version_are_named(data_dir: Path) -> None:
    lake = Lake(data_dir=str(data_dir))
    with DagsterInstance.ephemeral() as instance:
        run(data_dir, mechanism_outcomes, instance, "pretrained")
        lake.write("mechanism_outcomes", outcomes(data_dir, "pretrained").drop("seconds"), {"mechanism": "pretrained"})
        with pytest.raises(ValueError, match=r"pretrained has other columns .* materialize it again"):
            run(data_dir, study_report, instance)


def test_more_skill_shows_and_runs_repeat(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        run(data_dir, mechanism_outcomes, instance, "llm_auction")
        first = outcomes(data_dir, "llm_auction")
        run(data_dir, mechanism_outcomes, instance, "llm_auction")
    again = outcomes(data_dir, "llm_auction")
    assert again.drop("seconds").equals(first.drop("seconds"))
    highest = {"01": 0, "02": 0}
    for row in first.iter_rows(named=True):
        bids = dict(zip(row["candidate_ad_ids"], row["bids"], strict=True))
        highest[row["iteration"]] += max(bids.values()) == max(bids[ad_id] for ad_id in row["inserted_ad_ids"])
    assert highest["01"] < highest["02"] == 20


def test_answers_are_paid_once_though_the_step_died_before_its_write(
    data_dir: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(data_dir=str(data_dir))
    store.publish("ad_llm", "base", lambda folder: shutil.copytree(tiny_model_dir, folder, dirs_exist_ok=True), {})

    with faulty_server(lambda body: "Nothing fits.", (store.resolve("ad_llm", "base").version,)) as server:
        server.delay = 0.02
        served = {"engine.url": server.url, "engine.concurrency": "1", "sampling.max_new_tokens": "8"}
        profile = ProfileResource(profile="smoke", overrides={**OVERRIDES, **served})

        def evaluate() -> None:
            resources = {
                "lake": Lake(data_dir=str(data_dir)),
                "model_store": store,
                "profile": profile,
                "engine": EngineResource(profile=profile, data_dir=str(data_dir)),
                "user_model": UserModelResource(profile=profile, data_dir=str(data_dir)),
            }
            with DagsterInstance.ephemeral() as instance:
                materialize([mechanism_outcomes], partition_key="pretrained", instance=instance, resources=resources)

        with monkeypatch.context() as patch, pytest.raises(OSError, match="no room"):
            patch.setattr(Lake, "write", no_room)
            evaluate()
        answers, warm_up = 10 * 2, 1
        assert len(server.requests) == answers + warm_up
        evaluate()
        assert len(server.requests) == answers + 2 * warm_up
    # The answers took what they took in the attempt that drew them.
    assert outcomes(data_dir, "pretrained")["seconds"].min() > 0.015
    assert list((data_dir / "sampling").iterdir()) == []


def no_room(*_: object, **__: object) -> None:
    raise OSError("no room")


def test_missing_models_are_named(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance, pytest.raises(ValueError, match=r"materialize ad_llm\[oracle\|01\]"):
        run(data_dir, mechanism_outcomes, instance, "oracle")


def test_no_test_queries(data_dir: Path) -> None:
    lake = Lake(data_dir=str(data_dir))
    lake.write("user_queries", lake.read("user_queries").with_columns(split=pl.lit("train")))
    with DagsterInstance.ephemeral() as instance, pytest.raises(ValueError, match=r"population\.test_share"):
        run(data_dir, mechanism_outcomes, instance, "pretrained")


def test_report(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        runs = {
            name: run(data_dir, mechanism_outcomes, instance, name).run_id
            for name in ("pretrained", "mosaic", "llm_auction")
        }
        result = run(data_dir, study_report, instance)
    metadata = result.asset_materializations_for_node("study_report")[0].metadata
    assert {"headline", "report", "results", "table", "plot_revenue_per_query", "plot_pctr_auc"} <= set(metadata)
    assert "data:image/png;base64," in metadata["plot_reward_per_query"].value
    (check,) = result.get_asset_check_evaluations()
    assert check.check_name == "claims_hold" and "More revenue per query" in check.metadata["findings"].value
    records = json.loads((data_dir / "report" / "results.json").read_text())
    assert {one["run"] for one in records if one["mechanism"] == "mosaic"} == {runs["mosaic"]}
    auc = next(one for one in records if one["metric"] == "pctr_auc" and one["iteration"] == "02")
    assert (auc["value"], auc["n"], auc["arm"]) == (0.79, 300, "llm_auction")
    html = (data_dir / "report" / "report.html").read_text()
    assert "Clairvoyant bound" in html and AD_ID_PREFIX + "1000" not in html


def test_report_needs_outcomes(data_dir: Path) -> None:
    with (
        DagsterInstance.ephemeral() as instance,
        pytest.raises(ValueError, match="materialize the asset mechanism_outcomes"),
    ):
        run(data_dir, study_report, instance)


def test_half_evaluated_market_is_refused(data_dir: Path) -> None:
    """Bids that changed between two evaluations (another seed, another profile) can't be compared."""
    lake = Lake(data_dir=str(data_dir))
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", "llm_auction"):
            run(data_dir, mechanism_outcomes, instance, name)
        frame = outcomes(data_dir, "pretrained")
        lake.write("mechanism_outcomes", frame.filter(pl.col("query_id") != "q001"), {"mechanism": "pretrained"})
        with pytest.raises(ValueError, match=r"differ .* of 1 test queries; materialize mechanism_outcomes"):
            run(data_dir, study_report, instance)


def test_pooled_report_over_data_directories(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    second = tmp_path_factory.mktemp("seed1")
    with DagsterInstance.ephemeral() as instance:
        run(data_dir, mechanism_outcomes, instance, "pretrained")
    lake = Lake(data_dir=str(second))
    for table in ("ad_catalog", "user_profiles", "user_queries"):
        lake.write(table, Lake(data_dir=str(data_dir)).read(table))
    other = outcomes(data_dir, "pretrained").with_columns(seed=pl.lit(1, pl.Int64))
    lake.write("mechanism_outcomes", other, {"mechanism": "pretrained"})
    runs = [load_seed_run(Lake(data_dir=str(one)), ModelStore(data_dir=str(one))) for one in (data_dir, second)]
    files = write_report(runs, second / "pooled", synthetic_profile())
    assert files.study.seeds == (0, 1) and files.study.comparison.queries == 20
