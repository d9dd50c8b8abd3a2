"""The effect of a reserve price: paired changes, and outcomes that can't be compared."""

from __future__ import annotations

import polars as pl
import pytest

from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.reserve_effects import MEASURED, RESERVE_SCHEMA, reserve_effects
from llm_auction.report.sections.reserve_prices import reserve_chart, reserve_markdown
from tests.synthetic_study import FINAL, synthetic_outcomes, synthetic_profile

CONTENDERS = [FINAL, Contender("mosaic", None, "argmax"), Contender("mosaic", None, "tau=10")]


@pytest.fixture(scope="module")
def outcomes() -> pl.DataFrame:
    return synthetic_outcomes(synthetic_profile(queries=20), CONTENDERS)


@pytest.fixture(scope="module")
def effects(outcomes: pl.DataFrame) -> pl.DataFrame:
    dearer = outcomes.with_columns(pl.col("payment") + 3.0, pl.col("utility") - 3.0)
    return reserve_effects({0.0: outcomes, 40.0: dearer}, 200, seed=0)


def test_changes_are_paired(effects: pl.DataFrame) -> None:
    assert effects.schema == pl.Schema(RESERVE_SCHEMA)
    assert effects.height == len(CONTENDERS) * 2 * len(MEASURED)
    changes = effects.filter(reserve=40.0, mechanism="llm_auction")
    found = {row["metric"]: row for row in changes.iter_rows(named=True)}
    payment = found["payment_per_query"]
    assert [payment[name] for name in ("change", "change_low", "change_high")] == pytest.approx([3.0] * 3)
    assert found["utility_per_query"]["change"] == pytest.approx(-3.0)
    assert found["revenue_per_query"]["change"] == 0.0
    assert effects.filter(reserve=0.0)["change"].to_list() == [0.0] * (len(CONTENDERS) * len(MEASURED))


def test_a_query_without_a_verdict_is_left_out_at_every_price(outcomes: pl.DataFrame) -> None:
    unjudged = outcomes.with_columns(revenue=pl.when(pl.col("query_id") != "q003").then("revenue"))
    effects = reserve_effects({0.0: outcomes, 40.0: unjudged}, 50, seed=0)
    assert set(effects["n"]) == {19}
    assert set(effects.filter(metric="revenue_per_query")["change"]) == {0.0}


def test_it_is_told_in_words_and_drawn(effects: pl.DataFrame) -> None:
    text = reserve_markdown(effects)
    assert text.count("\n") == 1 + 2 * len(CONTENDERS)
    assert "| LLM-Auction, iteration 3 | 40 |" in text
    drawn = reserve_chart(effects).to_dict()
    assert len(drawn["hconcat"]) == 3
    names = {row["name"] for rows in drawn["datasets"].values() for row in rows}
    assert len(names) == 2 and "LLM-Auction, iteration 3" in names  # one variant a mechanism


@pytest.mark.parametrize("broken", ["none", "queries", "contenders"])
def test_what_can_not_be_compared_is_refused(outcomes: pl.DataFrame, broken: str) -> None:
    other = {
        "none": outcomes,
        "queries": outcomes.filter(pl.col("query_id") != "q003"),
        "contenders": outcomes.filter(pl.col("mechanism") == "mosaic"),
    }[broken]
    given = {40.0: other} if broken == "none" else {0.0: outcomes, 40.0: other}
    with pytest.raises(ValueError, match="reserve"):
        reserve_effects(given, 50, seed=0)
