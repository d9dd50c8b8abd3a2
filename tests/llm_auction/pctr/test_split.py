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
    split = split_impressions(impressions, 0.2, seed=0)[0]
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
    small = split_impressions(impressions[:300], 0.2, seed=0)[0]
    large = split_impressions(impressions, 0.2, seed=0)[0]
    assert {impressions[row].user_id for row in small.test} <= {impressions[row].user_id for row in large.test}


def test_members_share_the_test_users_and_differ_in_validation(impressions: list[Impression]) -> None:
    first, second = split_impressions(impressions, 0.2, 0, members=2)
    assert np.array_equal(first.test, second.test)
    assert not set(first.validation) & set(second.validation)


def test_questions_are_held_out_where_all_users_ask_the_same() -> None:
    impressions = rows([(f"u{n % 20}", f"question {n % 17}") for n in range(340)])
    split = split_impressions(impressions, 0.2, seed=0)[0]
    assert split.kind == "query"
    asked = {impressions[row].query for row in split.train}
    assert asked.isdisjoint(impressions[row].query for row in (*split.validation, *split.test))
    assert min(len(split.train), len(split.validation), len(split.test)) > 0


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (0.3, {"query"}),
        (0.5, {"query", "user and query"}),
        (0.55, {"query", "user and query"}),
        (0.8, {"user and query"}),
    ],
)
def test_what_is_measured_on_no_member_trains_on(own: float, expected: set[str]) -> None:
    kinds = set()
    for seed in range(12):
        impressions = log_with_own_questions(own, seed)
        splits = split_impressions(impressions, 0.1, seed)
        assert len({split.kind for split in splits}) == 1
        kinds.add(splits[0].kind)
        test = splits[0].test
        measured = {impressions[row].query for row in test}
        assert len(test)
        for split in splits:
            assert np.array_equal(split.test, test)
            seen = np.concatenate([split.train, split.validation])
            assert not set(seen) & set(test)
            assert measured.isdisjoint(impressions[row].query for row in seen)
    assert kinds == expected


def log_with_own_questions(own: float, seed: int) -> list[Impression]:
    """The log of 200 users, who ask a question of their own each time with probability `own`, or one of 40 others."""
    rng = np.random.default_rng(seed)
    return rows(
        [
            (f"u{user}", f"own {user} {n}" if rng.random() < own else f"question {rng.integers(40)}")
            for user in range(200)
            for n in range(4)
        ]
    )


def test_three_users_are_enough_and_two_questions_are_not() -> None:
    for split in split_impressions(rows([(f"u{n % 3}", f"q{n % 3}") for n in range(9)]), 0.1, seed=0):
        assert [len(part) for part in (split.train, split.validation, split.test)] == [3, 3, 3]
    for pairs in ([("u1", "q1")], [("u1", "q1"), ("u2", "q2")]):
        with pytest.raises(ValueError, match="too few to hold some out"):
            split_impressions(rows(pairs * 4), 0.1, seed=0)


def test_a_large_share_of_few_users_leaves_some_to_train_on() -> None:
    for seed in range(50):
        try:
            splits = split_impressions(rows([(f"u{n % 5}", f"q{n % 5}") for n in range(20)]), 0.25, seed)
        except ValueError as error:
            assert "too few to hold some out" in str(error)
        else:
            assert all(len(split.train) and len(split.validation) and len(split.test) for split in splits)
