"""The efficiency table against figures computed by hand."""

from __future__ import annotations

import re

import polars as pl
import pytest

from llm_auction.evaluation.efficiency import PRETRAINED, Comparison, efficiency_table
from llm_auction.evaluation.metrics import METRICS
from llm_auction.evaluation.outcomes import OF_CLICKS, Contender, pool_seeds
from llm_auction.evaluation.summary import summary_markdown
from tests.synthetic_study import FINAL, SYNTHETIC_CHARGE, synthetic_outcomes, synthetic_profile

ARGMAX = Contender("mosaic", None, "argmax")


@pytest.fixture(scope="module")
def outcomes() -> pl.DataFrame:
    return synthetic_outcomes(synthetic_profile(queries=40))


@pytest.fixture(scope="module")
def comparison(outcomes: pl.DataFrame) -> Comparison:
    return Comparison(outcomes, 300, seed=0)


def _read_words(answer: str) -> int:
    """Of an answer as a person reads it; the synthetic answers have words of letters and digits, and spaces."""
    read = re.sub(r"@([^@]+)@\[Ad-[^\]]+\]", r"\1", answer)
    return len(re.sub(r"[^\w\s]", " ", read).split())


def final_rows(outcomes: pl.DataFrame) -> pl.DataFrame:
    return outcomes.filter(mechanism="llm_auction", iteration="03")


def test_means_and_ratios_of_sums(outcomes: pl.DataFrame, comparison: Comparison) -> None:
    rows = final_rows(outcomes)
    clicks = rows["clicks"].list.sum().sum()
    expected = {
        "revenue_per_query": rows["revenue"].mean(),
        "reward_per_query": rows["reward"].mean(),
        "ctr": clicks / rows["n_ads"].sum(),
        "format_error_rate": (rows["format_errors"] > 0).mean(),
        "clairvoyant_reward_share": rows["reward"].sum() / rows["clairvoyant_reward"].sum(),
        "answer_characters": rows["characters"].mean(),
        "answer_words": sum(map(_read_words, rows["answer"])) / rows.height,
        "generations_per_query": 1.0,
        "welfare_per_query": rows["expected_revenue"].mean(),
        "utility_per_query": rows["expected_revenue"].mean() * (1 - SYNTHETIC_CHARGE),
        "no_ad_share": (rows["n_ads"] == 0).mean(),
        "seconds_per_query": 0.002 * rows["tokens"].mean(),
    }
    for name, value in expected.items():
        figure = comparison.interval(FINAL, name)
        assert figure.value == pytest.approx(value)
        assert figure.low <= figure.value <= figure.high


def test_what_a_user_model_does_not_know_is_undefined(outcomes: pl.DataFrame) -> None:
    unknown = Comparison(outcomes.with_columns(flooded=pl.lit(None, pl.Boolean)), 20, seed=0)
    assert unknown.interval(FINAL, "flooding_rate").value is None
    assert unknown.interval(FINAL, "no_ad_share").value is not None


def test_answers_without_a_verdict_are_left_out_of_the_means(outcomes: pl.DataFrame, comparison: Comparison) -> None:
    mine = (pl.col("mechanism") == "llm_auction") & (pl.col("iteration") == "03")
    first, second = outcomes["query_id"].unique().sort()[:2]
    unjudged = mine & ((pl.col("query_id") == first) & (pl.col("sample_index") == 0) | (pl.col("query_id") == second))
    gaps = {name: pl.when(~unjudged).then(pl.col(name)).alias(name) for name in OF_CLICKS}
    partly = Comparison(outcomes.with_columns(*gaps.values()), 50, seed=0)
    assert (partly.unjudged_queries, partly.queries) == (1, comparison.queries - 1)
    rows = final_rows(outcomes).filter(pl.col("query_id") != second)
    judged = rows.filter((pl.col("query_id") != first) | (pl.col("sample_index") != 0))
    by_query = judged.group_by("query_id").agg(
        pl.col("revenue").mean(), pl.col("clicks").list.sum().mean(), pl.col("n_ads").mean()
    )
    assert partly.interval(FINAL, "revenue_per_query").value == pytest.approx(by_query["revenue"].mean())
    assert partly.interval(FINAL, "ctr").value == pytest.approx(by_query["clicks"].sum() / by_query["n_ads"].sum())
    assert partly.interval(FINAL, "ads_per_answer").value == pytest.approx(rows["n_ads"].mean())
    with pytest.raises(ValueError, match="no query has a judged answer"):
        Comparison(outcomes.with_columns(revenue=pl.lit(None, pl.Float64)), 50, seed=0)


def test_distinct_answers_are_counted_within_a_query(comparison: Comparison) -> None:
    share = comparison.interval(FINAL, "distinct_answer_share").value
    assert 0.5 <= share < 1.0
    assert comparison.interval(ARGMAX, "generations_per_query").value == 20.0


def test_table_holds_every_metric_and_the_comparisons(comparison: Comparison) -> None:
    table = efficiency_table(comparison)
    names = set(table.filter(mechanism="llm_auction", iteration="03")["metric"])
    gains = {f"{q}_gain_over_{base}" for q in ("revenue", "reward") for base in ("pretrained", "mosaic")}
    assert names == {one.name for one in METRICS} | gains | {"revenue_ratio_to_pretrained", "revenue_ratio_to_mosaic"}
    assert set(table["n"]) == {40}
    gain = table.filter(mechanism="llm_auction", iteration="03", metric="reward_gain_over_pretrained")
    assert gain["ci_low"][0] > 0
    assert table.filter(mechanism="clairvoyant", metric="reward_per_query")["value"][0] == pytest.approx(62.0)


def test_differences_to_every_rival_are_in_the_table(outcomes: pl.DataFrame) -> None:
    rivals = {"rag_auction": "k=1", "mosaic_tuned": "tau=10", "best_of_n": "N=20"}
    final = final_rows(outcomes).with_columns(pl.col("revenue") - 1.0, iteration=pl.lit(None, pl.String))
    frames = [final.with_columns(mechanism=pl.lit(name), variant=pl.lit(variant)) for name, variant in rivals.items()]
    table = efficiency_table(Comparison(pl.concat([outcomes, *frames]), 50, seed=0))
    for name in rivals:
        rows = table.filter(mechanism="llm_auction", iteration="03", metric=f"revenue_gain_over_{name}")
        assert rows["value"].to_list() == pytest.approx([1.0])
        assert table.filter(mechanism=name, metric=f"revenue_gain_over_{name}").is_empty()


def test_mosaic_is_taken_at_its_best_variant(comparison: Comparison) -> None:
    best = comparison.best("mosaic", "reward_per_query")
    other = next(one for one in comparison.contenders if one.mechanism == "mosaic" and one != best)
    assert comparison.interval(best, "reward_per_query").value > comparison.interval(other, "reward_per_query").value


def test_ratio_needs_a_base_that_is_surely_positive(outcomes: pl.DataFrame) -> None:
    poor = outcomes.with_columns(
        pl.when(pl.col("mechanism") == "pretrained").then(-5.0).otherwise(pl.col("reward")).alias("reward")
    )
    comparison = Comparison(poor, 100, seed=0)
    assert comparison.ratio(FINAL, PRETRAINED, "reward_per_query").value is None
    assert comparison.difference(FINAL, PRETRAINED, "reward_per_query").value > 5


def test_without_a_bound_its_share_is_undefined(outcomes: pl.DataFrame) -> None:
    unbounded = outcomes.with_columns(clairvoyant_reward=pl.lit(None, pl.Float64))
    comparison = Comparison(unbounded, 50, seed=0)
    assert comparison.interval(FINAL, "clairvoyant_reward_share").value is None
    assert efficiency_table(comparison).filter(mechanism="clairvoyant").is_empty()


def test_pooled_seeds(outcomes: pl.DataFrame) -> None:
    pooled, _ = pool_seeds([outcomes, synthetic_outcomes(synthetic_profile(1, 40))])
    comparison = Comparison(pooled, 300, seed=0)
    alone = Comparison(outcomes, 300, seed=0)
    assert comparison.queries == 80
    width = [c.interval(FINAL, "revenue_per_query") for c in (comparison, alone)]
    assert width[0].high - width[0].low < width[1].high - width[1].low


def test_partial_seeds_must_be_pooled_first(outcomes: pl.DataFrame) -> None:
    second = synthetic_outcomes(synthetic_profile(1, 40), [PRETRAINED])
    with pytest.raises(ValueError, match="pool_seeds"):
        Comparison(pl.concat([outcomes, second]), 50, seed=0)


def test_no_outcomes(outcomes: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="materialize mechanism_outcomes"):
        Comparison(outcomes.clear(), 50, seed=0)


def test_markdown_summary(comparison: Comparison) -> None:
    lines = summary_markdown(comparison).splitlines()
    assert len(lines) == 2 + len(comparison.contenders)
    assert len({line.count("|") for line in lines}) == 1
