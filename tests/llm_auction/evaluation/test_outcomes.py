"""Scoring answers, and the checks that outcomes can be compared."""

from __future__ import annotations

import polars as pl
import pytest

from llm_auction.answers import render_insertion
from llm_auction.evaluation.outcomes import (
    CONTENDER_COLUMNS,
    OUTCOME_SCHEMA,
    Bound,
    Contender,
    Shown,
    check_paired,
    contenders,
    of_contender,
    pool_seeds,
    score_answers,
)
from llm_auction.users import ParametricUser
from tests.synthetic_study import FINAL, StubUser, catalog, synthetic_auctions, synthetic_outcomes, synthetic_profile

PROFILE = synthetic_profile(queries=6)
AUCTION = synthetic_auctions(PROFILE)[0]
# The last candidate gets something back.
PAYMENTS = {AUCTION.candidates[0].ad_id: 4.0, AUCTION.candidates[-1].ad_id: -0.5}


def score(answer: str, contender: Contender = FINAL, sample: int = 0, bounded: bool = True) -> dict:
    bounds = {AUCTION.query.query_id: Bound(30.0, 36.0)} if bounded else {}
    shown = Shown(AUCTION, sample, answer, PAYMENTS, tokens=12, generations=20, generated_tokens=240)
    return score_answers(contender, [shown], StubUser(), PROFILE, bounds).row(0, named=True)


def test_figures_of_one_answer() -> None:
    ads = AUCTION.candidates[:2]
    row = score(f"Take {render_insertion(ads[0])} or {render_insertion(ads[1])}, not @Nothing@[Ad-9].")
    probabilities = [0.75 / 2**0.5, 0.75 / 1.3 / 2**0.5]
    assert row["inserted_ad_ids"] == [ad.ad_id for ad in ads]
    assert row["click_probabilities"] == pytest.approx(probabilities)
    assert row["expected_revenue"] == pytest.approx(
        sum(b * p for b, p in zip(AUCTION.bids, probabilities, strict=False))
    )
    assert row["penalty"] == pytest.approx(2 * PROFILE.reward.ad_weight + PROFILE.reward.error_weight)
    assert row["reward"] == pytest.approx(row["expected_revenue"] - row["penalty"])
    assert row["revenue"] == sum(bid for bid, clicked in zip(AUCTION.bids, row["clicks"], strict=False) if clicked)
    assert (row["format_errors"], row["n_ads"], row["tokens"], row["generated_tokens"]) == (1, 2, 12, 240)
    assert (row["clairvoyant_reward"], row["clairvoyant_revenue"]) == (30.0, 36.0)


def test_welfare_and_utility_follow_the_values_behind_the_bids() -> None:
    answer = f"Take {render_insertion(AUCTION.candidates[0])}."
    truthful = score(answer)
    assert truthful["welfare"] == truthful["expected_revenue"]
    assert truthful["utility"] == pytest.approx(truthful["welfare"] - 3.5)
    assert truthful["payments"] == [4.0, *[0.0] * (len(AUCTION.candidates) - 2), -0.5] and truthful["payment"] == 3.5
    careful = PROFILE.model_copy(update={"bidding": PROFILE.bidding.model_copy(update={"target_roi": 2.0})})
    shown = Shown(AUCTION, 0, answer, PAYMENTS, tokens=12, generations=1, generated_tokens=12)
    row = score_answers(FINAL, [shown], StubUser(), careful, {}).row(0, named=True)
    assert row["welfare"] == pytest.approx(2 * row["expected_revenue"])
    assert row["revenue"] == truthful["revenue"]


def test_the_same_ad_twice_counts_once_and_costs_a_format_error() -> None:
    link = render_insertion(AUCTION.candidates[0])
    once, twice = score(f"Take {link}."), score(f"Take {link}. Yes, {link}.")
    assert (twice["inserted_ad_ids"], twice["format_errors"]) == (once["inserted_ad_ids"], 1)
    assert twice["expected_revenue"] == once["expected_revenue"]
    assert twice["reward"] == pytest.approx(once["reward"] - PROFILE.reward.error_weight)


def test_an_answer_floods_when_no_ad_in_it_can_be_clicked() -> None:
    user, ads = ParametricUser(catalog()), AUCTION.candidates
    too_many = " ".join(f"Take {render_insertion(ad)}." for ad in ads[: user.parameters.max_ads + 1])
    answers = ("Nothing.", f"Take {render_insertion(ads[0])}.", too_many)
    shown = [Shown(AUCTION, 0, answer, {}, 5, 1, 5) for answer in answers]
    assert score_answers(FINAL, shown, user, PROFILE, {})["flooded"].to_list() == [False, False, True]


def test_user_randomness_is_shared_by_mechanisms_and_differs_by_sample() -> None:
    answer = f"Take {render_insertion(AUCTION.candidates[0])}."
    ours = [score(answer, FINAL, sample)["clicks"] for sample in range(20)]
    theirs = [score(answer, Contender("pretrained"), sample)["clicks"] for sample in range(20)]
    assert ours == theirs
    assert {True, False} == {clicks[0] for clicks in ours}


def test_an_answer_without_ads_and_without_a_bound() -> None:
    row = score("No ad here.", bounded=False)
    assert (row["reward"], row["revenue"], row["clicks"], row["clairvoyant_reward"]) == (0.0, 0.0, [], None)


def test_schema_is_stable() -> None:
    assert synthetic_outcomes(PROFILE, [FINAL]).schema == pl.Schema(OUTCOME_SCHEMA)


def test_the_rows_of_a_contender_are_those_of_its_iteration_and_variant_alone() -> None:
    names = [("mosaic", None, "tau=1"), ("mosaic", None, None), ("mosaic", "01", None), ("mosaic", None, "tau=1")]
    table = pl.DataFrame([(*row, i) for i, row in enumerate(names)], [*CONTENDER_COLUMNS, "row"], orient="row")
    assert of_contender(table, Contender("mosaic"))["row"].to_list() == [1]
    assert of_contender(table, Contender("mosaic", "01"))["row"].to_list() == [2]
    assert of_contender(table, Contender("mosaic", None, "tau=1"))["row"].to_list() == [0, 3]
    assert of_contender(table, Contender("oracle")).is_empty()


def test_contenders_stand_in_order() -> None:
    labels = [one.label for one in contenders(synthetic_outcomes(PROFILE))]
    assert labels[:3] == ["pretrained", "mosaic argmax", "mosaic tau=10"]
    assert labels[3:6] == [f"llm_auction iteration 0{t}" for t in (1, 2, 3)]


def test_other_bids_are_refused() -> None:
    outcomes = synthetic_outcomes(PROFILE)
    check_paired(outcomes)
    changed = outcomes.with_columns(
        pl.when(pl.col("mechanism") == "mosaic")
        .then(pl.col("bids").list.eval(pl.element() + 1))
        .otherwise(pl.col("bids"))
        .alias("bids")
    )
    with pytest.raises(ValueError, match=r"mosaic.*pretrained differ .* of 6 test queries; materialize"):
        check_paired(changed)


def test_missing_queries_are_refused() -> None:
    outcomes = synthetic_outcomes(PROFILE)
    cut = outcomes.filter((pl.col("mechanism") != "oracle") | (pl.col("query_id") != "q003"))
    with pytest.raises(ValueError, match="of 1 test queries"):
        check_paired(cut)


def test_pooling_keeps_what_every_seed_has() -> None:
    full, partial = (
        synthetic_outcomes(PROFILE),
        synthetic_outcomes(synthetic_profile(1, 6), [Contender("pretrained"), FINAL]),
    )
    pooled, left_out = pool_seeds([full, partial])
    assert set(contenders(pooled)) == {Contender("pretrained"), FINAL}
    assert Contender("mosaic", None, "argmax") in left_out and len(left_out) == 7
    with pytest.raises(ValueError, match="differ in their seeds"):
        pool_seeds([full, full])
