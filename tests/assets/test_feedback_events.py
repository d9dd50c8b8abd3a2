"""Rows of raw feedback: the same events under the same seed, and a judgement for exactly the inserted ads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from assets.feedback_events import (
    CLICK_COLUMNS,
    CONVERSION_COLUMNS,
    FIRST_DAY,
    RESPONSE_COLUMNS,
    click_rows,
    conversion_rows,
    event_id,
    response_rows,
)
from llm_auction.answers import render_insertion
from llm_auction.generation.protocol import GeneratedAnswer
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.users.conversions import ConversionParameters, ParametricBuyer
from llm_auction.users.protocol import Judgement

ADS = (Ad("1", "Trail Shoes", "hiking"), Ad("2", "Rain Coat", "outdoor"))
AUCTION = Auction(Query("q1", "u1", "What shoes?"), UserProfile("u1", "Walks a lot."), ADS, (10, 20))


def answer(text: str) -> GeneratedAnswer:
    return GeneratedAnswer(text, (1, 2, 3), -4.5, True)


ANSWERS = [
    [answer(f"Try {render_insertion(ADS[1])} or {render_insertion(ADS[0])}."), answer("Try @Fake@[Ad-1].")],
]


class CoinUser:
    def click_probabilities(self, auction: Auction, answer: str) -> dict[str, float]:
        raise AssertionError("clicks are drawn here, not estimated")

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        from llm_auction.answers import parse_answer

        shown = parse_answer(answer, auction.candidates).ad_ids
        return [Judgement(ad_id, bool(rng.random() < 0.5), 0.5, "a coin") for ad_id in shown]

    def judge_all(
        self, auctions: Sequence[Auction], answers: Sequence[str], rngs: Sequence[np.random.Generator]
    ) -> list[list[Judgement]]:
        return [self.judge(*showing) for showing in zip(auctions, answers, rngs, strict=True)]


def responses() -> list[dict]:
    return response_rows([AUCTION], ANSWERS, SamplingConfig(), "v1", "oracle", "02")


def test_answers_are_parsed_and_stamped_on_the_day_of_the_iteration() -> None:
    frame = pl.DataFrame(responses(), schema=RESPONSE_COLUMNS.schema)
    assert frame["inserted_ad_ids"].to_list() == [["2", "1"], []]
    assert frame["format_errors"].to_list() == [0, 1]
    assert frame["bids"].to_list() == [[10, 20], [10, 20]]
    assert frame["ts"].to_list() == [FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=1.5)]
    assert frame["response_id"].n_unique() == frame["event_id"].n_unique() == 2


def test_the_same_events_come_out_again() -> None:
    assert responses() == responses()
    rows = responses()
    first = click_rows(rows, [AUCTION] * 2, CoinUser(), seed=3, luck_of="oracle")
    assert first == click_rows(rows, [AUCTION] * 2, CoinUser(), seed=3, luck_of="oracle")


def test_clicks_depend_on_the_answer_alone_not_on_its_neighbours() -> None:
    rows = responses()
    both = click_rows(rows, [AUCTION] * 2, CoinUser(), seed=3, luck_of="oracle")
    alone = click_rows(rows[:1], [AUCTION], CoinUser(), seed=3, luck_of="oracle")
    assert both == alone


def test_arms_share_their_users_luck_where_they_are_to_differ_by_nothing_else() -> None:
    here = responses()
    there = [{**row, "arm": "no_iteration", "response_id": f"other-{n}"} for n, row in enumerate(here)]

    def clicked(rows: list[dict], luck_of: str) -> list[bool]:
        return [row["clicked"] for row in click_rows(rows, [AUCTION] * 2, CoinUser(), seed=3, luck_of=luck_of)]

    assert clicked(here, "oracle") == clicked(there, "oracle")
    assert any(clicked(here, "oracle") != clicked(here, f"another {number}") for number in range(5))


def test_one_judgement_an_inserted_ad_in_reading_order() -> None:
    rows = responses()
    frame = pl.DataFrame(
        click_rows(rows, [AUCTION] * 2, CoinUser(), seed=3, luck_of="oracle"), schema=CLICK_COLUMNS.schema
    )
    assert frame["ad_id"].to_list() == ["2", "1"]
    assert frame["response_id"].unique().to_list() == [rows[0]["response_id"]]
    assert (frame["ts"] > rows[0]["ts"]).all()


def test_event_ids_differ_by_kind_and_parts() -> None:
    assert event_id("answer", "a", 1) != event_id("click", "a", 1)
    assert event_id("answer", "a", "b") != event_id("answer", "ab")


def test_conversions_follow_clicks_alone_hours_later() -> None:
    rows = responses()
    clicks = click_rows(rows, [AUCTION] * 2, CoinUser(), seed=3, luck_of="oracle")
    buyer = ParametricBuyer(ADS, ConversionParameters(intercept=50.0))
    clicked = [{**click, "clicked": click["ad_id"] == "1"} for click in clicks]
    frame = pl.DataFrame(
        conversion_rows(rows, [AUCTION] * 2, clicked, buyer, worth=5.0, seed=3, luck_of="oracle"),
        schema=CONVERSION_COLUMNS.schema,
    )
    assert frame.select("response_id", "ad_id", "value").rows() == [(rows[0]["response_id"], "1", 50.0)]
    assert frame["ts"][0] > clicks[1]["ts"]
    assert frame["event_id"][0] not in [click["event_id"] for click in clicks]
    unclicked = [{**click, "clicked": None} for click in clicks]
    assert conversion_rows(rows, [AUCTION] * 2, unclicked, buyer, worth=5.0, seed=3, luck_of="oracle") == []
