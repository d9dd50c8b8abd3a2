"""`objective_terms`: every mechanism that was evaluated, under every objective."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from assets.evaluation import mechanism_outcomes
from assets.objective_terms import objective_terms
from llm_auction.evaluation.objective_terms import OBJECTIVE_SCHEMA
from llm_auction.profiles.arms import OBJECTIVES
from resources.lake import Lake
from tests.evaluated_market import RuleEngine, build_market, run


def test_every_mechanism_under_every_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", "llm_auction"):
            run(tmp_path, mechanism_outcomes, instance, name)
        result = run(tmp_path, objective_terms, instance)
    lake = Lake(data_dir=str(tmp_path))
    table = lake.read("objective_terms")
    outcomes = pl.concat([lake.read("mechanism_outcomes", {"mechanism": n}) for n in ("llm_auction", "pretrained")])
    assert dict(table.schema) == OBJECTIVE_SCHEMA
    assert table.height == outcomes.height == 3 * 2 * 10
    assert set(OBJECTIVES) == {name.removeprefix("objective_") for name in table.columns if "objective_" in name}
    newest = table.filter(iteration="02")
    assert newest["drift"].to_list() == [0.0] * 20, "both models find every answer equally likely"
    assert table.filter(pl.col("iteration") != "02")["drift"].null_count() == 20
    assert ((table["words"] >= 5) & (table["repetition"] == 0.0)).all()
    clicks = outcomes["click_probabilities"].list.sum()
    assert ((table["conversions"] > 0) & (table["conversions"] < clicks)).all()
    assert (
        "LLM-Auction, iteration 2"
        in result.asset_materializations_for_node("objective_terms")[0].metadata["summary"].value
    )


@pytest.mark.parametrize(("limit", "finished"), [(15, False), (16, True)])
def test_an_answer_that_the_token_limit_cut_is_scored_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, finished: bool
) -> None:
    build_market(tmp_path, monkeypatch)
    scored = []

    def tokens_of(self: RuleEngine, answer: str, *, finished: bool = True) -> list[int]:
        scored.append(finished)
        return [1, 2]

    monkeypatch.setattr(RuleEngine, "tokens_of", tokens_of)
    overrides = {"sampling.max_new_tokens": str(limit)}
    with DagsterInstance.ephemeral() as instance:
        run(tmp_path, mechanism_outcomes, instance, "llm_auction", overrides)
        outcomes = Lake(data_dir=str(tmp_path)).read("mechanism_outcomes", {"mechanism": "llm_auction"})
        assert outcomes["tokens"].unique().to_list() == [15]
        run(tmp_path, objective_terms, instance, overrides=overrides)
    assert len(scored) == 2 * 20 and set(scored) == {finished}


def test_nothing_evaluated_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance, pytest.raises(ValueError, match="materialize mechanism_outcomes"):
        run(tmp_path, objective_terms, instance)
