"""The ablation of the reward model: four models, the same held-out rows, and what the answer is worth."""

from __future__ import annotations

import polars as pl
import pytest

from llm_auction.pctr.ablation import ABLATION_SCHEMA, IterationFeedback, reward_model_ablation
from llm_auction.pctr.ablation_summary import ablation_chart, ablation_markdown
from llm_auction.profiles.schema import PctrConfig
from tests.llm_auction.pctr.simulated_market import simulate

CONFIG = PctrConfig(max_epochs=1, hidden=(16,))


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    parts = []
    for number in (1, 2):
        market = simulate(320, seed=number, users=20)
        parts.append(IterationFeedback(f"0{number}", market.impressions, market.clicked, market.probabilities))
    return reward_model_ablation(parts, CONFIG, seed=0)


def test_four_models_are_judged_on_the_same_rows(table: pl.DataFrame) -> None:
    assert table.schema == pl.Schema(ABLATION_SCHEMA)
    assert table.height == 2 * 4
    for _, rows in table.group_by("iteration"):
        assert rows["n"].n_unique() == rows["bayes_auc"].n_unique() == 1
        assert rows["n"][0] > 10
    second = table.filter(iteration="02")
    assert second["log_loss"].n_unique() == 4


def test_in_the_first_iteration_nothing_has_been_refreshed_yet(table: pl.DataFrame) -> None:
    first = table.filter(iteration="01").drop("refreshed")
    assert first.unique().height == 2


def test_the_summary_names_every_model(table: pl.DataFrame) -> None:
    text = ablation_markdown(table)
    assert text.count("without the answer, fitted once") == 2
    assert text.count("**") >= 4
    assert len(ablation_chart(table).to_dict()["layer"]) == 2


def test_it_needs_feedback() -> None:
    with pytest.raises(ValueError, match="at least one iteration"):
        reward_model_ablation([], CONFIG, seed=0)
