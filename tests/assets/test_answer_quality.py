"""`answer_quality`: every evaluated mechanism is measured, and none is an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.answer_quality import answer_quality
from assets.evaluation import mechanism_outcomes
from resources.lake import Lake
from tests.evaluated_market import build_market, run


def test_every_mechanism_that_was_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        for name in ("pretrained", "llm_auction"):
            run(tmp_path, mechanism_outcomes, instance, name)
        result = run(tmp_path, answer_quality, instance)
    table = Lake(data_dir=str(tmp_path)).read("answer_quality")
    # Two answers to ten queries, by the pretrained model and two iterations: one sentence, one ad, nothing disclosed.
    assert table.height == 3 * 2 * 10
    assert table["injection"].to_list() == [1.0] * 60 and set(table["disclosure"]) == {0.0}
    assert table["local_flow"].null_count() == 60
    metadata = result.asset_materializations_for_node("answer_quality")[0].metadata
    assert metadata["encoder"].value == "hashing" and "LLM-Auction, iteration 2" in metadata["summary"].value


def test_nothing_evaluated_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    with DagsterInstance.ephemeral() as instance, pytest.raises(ValueError, match="materialize mechanism_outcomes"):
        run(tmp_path, answer_quality, instance)
