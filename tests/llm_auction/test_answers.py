"""The inserted-ad format: what counts as an insertion, and what as a format error."""

from __future__ import annotations

import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.market import Ad

BOOTS = Ad("4820", "Ridgeway Trail Shoes", "hiking boots")
TENT = Ad("77-b", "Dome Tent (2 persons), 3.5 kg", "camping gear")
CANDIDATES = (BOOTS, TENT)


def test_rendered_insertions_are_read_back_in_order_with_their_places() -> None:
    answer = f"Take {render_insertion(TENT)} and {render_insertion(BOOTS)}."
    parsed = parse_answer(answer, CANDIDATES)
    assert parsed.ad_ids == ("77-b", "4820")
    assert parsed.format_errors == 0
    assert [answer[ad.start : ad.end] for ad in parsed.inserted_ads] == [
        render_insertion(TENT),
        render_insertion(BOOTS),
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("@Ridgeway Trail shoes@[Ad-4820]", "the title differs in case"),
        ("@Ridgeway Trail Shoes@[Ad-4821]", "there is no such id"),
        ("@Dome Tent (2 persons), 3.5 kg@[Ad-4820]", "title and id belong to different ads"),
        ("Ridgeway Trail Shoes [Ad-4820]", "the title is not marked"),
        ("@Ridgeway Trail Shoes [Ad-4820]", "the closing mark is missing"),
        ("@Ridgeway Trail Shoes@[4820]", "the prefix is missing"),
        ("@Ridgeway Trail Shoes@[Ad-4820", "the bracket is open: the answer was cut"),
    ],
)
def test_every_other_attempt_is_a_format_error(answer: str, why: str) -> None:
    parsed = parse_answer(f"Well, {answer}", CANDIDATES)
    assert parsed.ad_ids == (), why
    assert parsed.format_errors == 1, why


def test_a_repeated_insertion_counts_once_and_is_an_error() -> None:
    parsed = parse_answer(render_insertion(BOOTS) + " or " + render_insertion(BOOTS), CANDIDATES)
    assert parsed.ad_ids == ("4820",)
    assert (parsed.format_errors, parsed.repetitions) == (1, 1)


@pytest.mark.parametrize("answer", ["", "Write to me@example.org.", "Take [notes] at 5 @ home.", "a@b.c and d@e.f"])
def test_ordinary_text_is_no_attempt(answer: str) -> None:
    assert parse_answer(answer, CANDIDATES).format_errors == 0
