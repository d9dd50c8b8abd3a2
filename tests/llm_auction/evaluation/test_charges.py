"""Individual rationality on the bills: it holds for first price, and an overcharge is found wherever it is."""

from __future__ import annotations

import math

import polars as pl
import pytest

from llm_auction.answers import render_insertion
from llm_auction.evaluation.charges import Charges, charges_of
from llm_auction.evaluation.outcomes import Contender, Shown, score_answers
from llm_auction.payments import first_price
from tests.synthetic_study import StubUser, synthetic_auctions, synthetic_profile

PROFILE = synthetic_profile(queries=3)
AUCTIONS = synthetic_auctions(PROFILE)
CONTENDER = Contender("overcharging", None, "k=1")


def outcomes(factor: float = 1.0, extra: dict[str, float] | None = None) -> pl.DataFrame:
    """Answers with two ads at `factor` x first price; the last query's bill has `extra` besides."""
    shown = []
    for auction in AUCTIONS:
        answer = " ".join(f"Take {render_insertion(ad)}." for ad in auction.candidates[:2])
        worth = first_price(auction, StubUser().click_probabilities(auction, answer))
        payments = {ad_id: factor * price for ad_id, price in worth.items()}
        shown.append(Shown(auction, 0, answer, payments, 9, 1, 9))
    last = shown[-1]
    shown[-1] = Shown(last.auction, 0, last.answer, {**last.payments, **(extra or {})}, 9, 1, 9)
    return score_answers(CONTENDER, shown, StubUser(), PROFILE, {})


def test_first_price_charges_what_the_bid_is_worth() -> None:
    (found,) = charges_of(outcomes()).values()
    assert found.rational and found.bills == 6
    assert (found.least_utility, found.largest_share) == (pytest.approx(0.0), pytest.approx(1.0))


def test_a_mechanism_that_charges_more_fails() -> None:
    (found,) = charges_of(outcomes(1.25)).values()
    assert not found.rational and found.largest_share == pytest.approx(1.25)
    worth = outcomes()["payments"].list.max().max()
    assert found.least_utility == pytest.approx(-0.25 * worth)


def test_an_ad_that_is_not_shown_must_not_be_charged() -> None:
    hidden = AUCTIONS[-1].candidates[-1].ad_id
    (found,) = charges_of(outcomes(0.5, {hidden: 2.0})).values()
    assert not found.rational
    assert (found.least_utility, found.largest_share, found.bills) == (-2.0, math.inf, 7)
    (refunded,) = charges_of(outcomes(0.5, {hidden: -2.0})).values()
    assert refunded.rational and (refunded.largest_share, refunded.bills) == (pytest.approx(0.5), 6)


def test_answers_without_ads_and_unknown_clicks() -> None:
    silent = score_answers(CONTENDER, [Shown(AUCTIONS[0], 0, "Nothing.", {}, 1, 1, 1)], StubUser(), PROFILE, {})
    assert charges_of(silent) == {CONTENDER: Charges(0.0, 0.0, 0)}
    assert charges_of(outcomes().with_columns(flooded=pl.lit(None, pl.Boolean))) == {}


def test_the_worst_seed_counts() -> None:
    assert Charges.worst([Charges(0.0, 1.0, 3), Charges(-0.5, 1.5, 4)]) == Charges(-0.5, 1.5, 7)
