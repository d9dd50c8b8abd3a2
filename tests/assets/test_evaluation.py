"""`mechanism_outcomes` and `study_report` on a small market, with an engine that writes answers by rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dagster import DagsterInstance, ExecuteInProcessResult, materialize

import assets.mechanism_runs
from assets.evaluation import mechanism_outcomes, study_report
from assets.frames import ads_to_frame
from llm_auction.answers import AD_ID_PREFIX
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.mechanisms import clicks_from_user
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.seeds import generator
from llm_auction.users import ParametricUser
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from tests.synthetic_study import catalog, synthetic_auctions, synthetic_profile

QUERIES = 12
OVERRIDES = {
    "evaluation.test_queries": "10",
    "evaluation.answers_per_query": "2",
    "evaluation.mosaic_candidates": "4",
    "evaluation.mosaic_taus": "[1, 10]",
    "evaluation.bootstrap_resamples": "100",
}


class RuleEngine:
    """Inserts the ad of highest bid with the model's skill as probability, else any ad; bids that aren't shown are 0."""

    def __init__(self, skill: float) -> None:
        self.skill = skill

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: object = None,
    ) -> list[list[GeneratedAnswer]]:
        return [
            [self._answer(prompt, generator(seed, index, k)) for k in range(answers_per_prompt)]
            for index, prompt in enumerate(prompts)
        ]

    def _answer(self, prompt: Messages, rng: np.random.Generator) -> GeneratedAnswer:
        lines = [json.loads(line) for line in prompt[-1]["content"].splitlines() if line.startswith("{")]
        ad = lines[rng.integers(len(lines))]
        if rng.random() < self.skill:
            ad = max(lines, key=lambda line: line.get("bid", 0))
        text = f"Many people like @{ad['title']}@[{ad['id']}] for this, and so may you."
        return GeneratedAnswer(text, tuple(range(15)), -1.0, True)


class RuleEngineResource(EngineResource):
    def open(self, model_dir: Path | str) -> RuleEngine:
        return RuleEngine(float((Path(model_dir) / "skill.json").read_text()))


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake with the market, a store with a base model and two iterations, and a perfect reward model."""
    lake, store = Lake(data_dir=str(tmp_path)), ModelStore(data_dir=str(tmp_path))
    auctions = synthetic_auctions(synthetic_profile(queries=QUERIES))
    lake.write("ad_catalog", ads_to_frame(catalog()))
    users = {auction.profile.user_id: auction.profile for auction in auctions}
    lake.write(
        "user_profiles",
        pl.DataFrame(
            [
                {"user_id": u.user_id, "text": u.text, "interests": list(u.interests), "split": "test"}
                for u in users.values()
            ],
            schema={"user_id": pl.String, "text": pl.String, "interests": pl.List(pl.String), "split": pl.String},
        ),
    )
    queries = [auction.query for auction in auctions]
    lake.write(
        "user_queries",
        pl.DataFrame(
            [
                {"query_id": q.query_id, "user_id": q.user_id, "text": q.text, "category": None, "split": "test"}
                for q in queries
            ],
            schema_overrides={"category": pl.String},
        ),
    )
    lake.write(
        "ad_candidates",
        pl.DataFrame(
            [
                {"query_id": one.query.query_id, "ad_ids": [ad.ad_id for ad in one.candidates], "split": "test"}
                for one in auctions
            ]
        ),
    )
    for pointer, skill in {"base": 0.0, "llm_auction/01": 0.5, "llm_auction/02": 1.0}.items():
        publish(store, pointer, skill)
    for iteration in ("01", "02"):
        metrics = {"auc": 0.8, "after/auc": 0.79, "after/bayes_auc": 0.85, "after/ece": 0.02, "after/n": 300.0}
        store.publish(
            "pctr",
            f"llm_auction/{iteration}",
            lambda folder, text=iteration: (folder / "config.json").write_text(text),
            {"metrics": {**metrics, "before/auc": 0.75, "split": "users"}},
        )
    monkeypatch.setattr(assets.mechanism_runs, "_load_pctr", lambda folder: clicks_from_user(ParametricUser(catalog())))
    return tmp_path


def publish(store: ModelStore, pointer: str, skill: float) -> None:
    store.publish("ad_llm", pointer, lambda folder: (folder / "skill.json").write_text(str(skill)), {})


def run(
    data_dir: Path, asset: object, instance: DagsterInstance, partition: str | None = None
) -> ExecuteInProcessResult:
    return materialize(
        [asset],  # type: ignore[list-item]
        partition_key=partition,
        instance=instance,
        raise_on_error=True,
        resources={
            "lake": Lake(data_dir=str(data_dir)),
            "model_store": ModelStore(data_dir=str(data_dir)),
            "profile": ProfileResource(profile="smoke", overrides=OVERRIDES),
            "engine": RuleEngineResource(),
            "user_model": UserModelResource(),
        },
    )


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


def test_more_skill_shows_and_runs_repeat(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        run(data_dir, mechanism_outcomes, instance, "llm_auction")
        first = outcomes(data_dir, "llm_auction")
        run(data_dir, mechanism_outcomes, instance, "llm_auction")
    assert outcomes(data_dir, "llm_auction").equals(first)
    bids = {
        iteration: part.select(pl.col("bids").list.max().mean()).item()
        for (iteration,), part in first.group_by("iteration")
    }
    assert len(bids) == 2


def test_missing_models_are_named(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
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
