"""Held-out users and questions: no leakage, and the same users in every iteration."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.market import Ad
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.split import split_impressions

AD = Ad("1", "Boots", "boots")


def rows(pairs: list[tuple[str, str]]) -> list[Impression]:
    return [Impression(user, query, "", "", AD, 0, 1) for user, query in pairs]


@pytest.fixture
def impressions() -> list[Impression]:
    return rows([(f"u{n % 60}", f"question {n % 60} {n % 3}" if n % 5 else "a shared question") for n in range(900)])


def test_neither_users_nor_questions_leak(impressions: list[Impression]) -> None:
    split = split_impressions(impressions, 0.2, seed=0)
    assert split.kind == "user and query"
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    users = {name: {impressions[row].user_id for row in part} for name, part in parts.items()}
    assert users["train"].isdisjoint(users["validation"] | users["test"])
    assert users["validation"].isdisjoint(users["test"])
    asked = {impressions[row].query for row in split.train}
    for part in (split.validation, split.test):
        assert len(part)
        assert asked.isdisjoint(impressions[row].query for row in part)


def test_a_user_keeps_its_part_when_feedback_grows(impressions: list[Impression]) -> None:
    small = split_impressions(impressions[:300], 0.2, seed=0)
    large = split_impressions(impressions, 0.2, seed=0)
    assert {impressions[row].user_id for row in small.test} <= {impressions[row].user_id for row in large.test}


def test_members_share_the_test_users_and_differ_in_validation(impressions: list[Impression]) -> None:
    first, second = (split_impressions(impressions, 0.2, 0, member) for member in range(2))
    assert np.array_equal(first.test, second.test)
    assert not set(first.validation) & set(second.validation)


def test_questions_are_held_out_where_all_users_ask_the_same() -> None:
    impressions = rows([(f"u{n % 20}", f"question {n % 17}") for n in range(340)])
    split = split_impressions(impressions, 0.2, seed=0)
    assert split.kind == "query"
    asked = {impressions[row].query for row in split.train}
    assert asked.isdisjoint(impressions[row].query for row in (*split.validation, *split.test))
    assert min(len(split.train), len(split.validation), len(split.test)) > 0


def test_three_users_are_enough_and_two_questions_are_not() -> None:
    split = split_impressions(rows([(f"u{n % 3}", f"q{n % 3}") for n in range(9)]), 0.1, seed=0, member=7)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [3, 3, 3]
    with pytest.raises(ValueError, match="too few to hold some out"):
        split_impressions(rows([("u1", "q1"), ("u2", "q2")] * 4), 0.1, seed=0)
