"""The clairvoyant bound as a contender: exact expectations, clicks under the common luck, above everybody else."""

from __future__ import annotations

import polars as pl
import pytest

from llm_auction.evaluation.clairvoyant_outcomes import CLAIRVOYANT, clairvoyant_outcomes
from llm_auction.evaluation.efficiency import Comparison, efficiency_table
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA, Bound, Contender, Shown, contenders, score_answers
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, auctions
from tests.llm_auction.users.test_clairvoyant import perfect_answer
from tests.synthetic_study import catalog, synthetic_auctions, synthetic_outcomes, synthetic_profile

PROFILE = synthetic_profile(queries=30)
AUCTIONS = synthetic_auctions(PROFILE)
USER = ParametricUser(catalog())


@pytest.fixture(scope="module")
def outcomes() -> pl.DataFrame:
    return clairvoyant_outcomes(AUCTIONS, USER, PROFILE, samples=40)


def test_its_figures_are_those_of_the_bound(outcomes: pl.DataFrame) -> None:
    assert outcomes.schema == pl.Schema(OUTCOME_SCHEMA)
    assert outcomes.height == 30 * 40
    assert outcomes["reward"].to_list() == pytest.approx(outcomes["clairvoyant_reward"].to_list())
    assert outcomes["expected_revenue"].to_list() == pytest.approx(outcomes["clairvoyant_revenue"].to_list())
    assert outcomes["payment"].to_list() == pytest.approx(outcomes["expected_revenue"].to_list())
    assert set(outcomes["answer"]) == {""} and outcomes["generations"].sum() == 0


def test_sampled_revenue_tends_to_the_expected_one(outcomes: pl.DataFrame) -> None:
    gap = outcomes["revenue"] - outcomes["expected_revenue"]
    assert abs(float(gap.mean())) < 4 * float(gap.std()) / outcomes.height**0.5  # type: ignore[arg-type]


def test_it_meets_the_same_luck_as_an_answer_that_reaches_it() -> None:
    """The same ads in a text of nativeness 1 are clicked by the same users."""
    market, user = auctions(10), ParametricUser(ADS)
    ads = {ad.ad_id: ad for ad in ADS}
    best = clairvoyant_outcomes(market, user, PROFILE, samples=5)
    shown = [
        Shown(
            auction,
            row["sample_index"],
            perfect_answer(tuple(ads[ad_id] for ad_id in row["inserted_ad_ids"])),
            {},
            0,
            1,
            0,
        )
        for row in best.iter_rows(named=True)
        for auction in market
        if auction.query.query_id == row["query_id"]
    ]
    written = score_answers(Contender("written"), shown, user, PROFILE, {})
    assert written["reward"].to_list() == pytest.approx(best["reward"].to_list())
    assert written["clicks"].to_list() == best["clicks"].to_list()


def test_it_takes_the_place_of_the_derived_row_and_closes_the_table() -> None:
    bounds = {auction.query.query_id: Bound(62.0, 70.0) for auction in AUCTIONS}
    pretrained = synthetic_outcomes(PROFILE, [Contender("pretrained")])
    shown = [Shown(auction, 0, "", {}, 0, 0, 0) for auction in AUCTIONS]
    bound = score_answers(CLAIRVOYANT, shown, USER, PROFILE, bounds)
    table = pl.concat([bound, pretrained])
    assert contenders(table)[-1] == CLAIRVOYANT
    figures = efficiency_table(Comparison(table, 50, 0)).filter(mechanism="clairvoyant", metric="reward_per_query")
    assert figures["value"].to_list() == [0.0]
