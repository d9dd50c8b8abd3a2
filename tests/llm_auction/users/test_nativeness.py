"""The features of nativeness, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.sentences import content_stems, mask_answer
from llm_auction.users.nativeness import (
    LATER_WEIGHT,
    NOT_CROWDED_WEIGHT,
    ON_TOPIC_WEIGHT,
    OWN_WORDS_WEIGHT,
    nativeness,
)

DOTTED = Ad("1", "Dr. Foot No. 2.5! Boots", "hiking boots")
TENT = Ad("2", "Calm Night Tent", "camping gear")
AUCTION = Auction(Query("q", "u", "What helps on muddy trails?"), UserProfile("u", "someone"), (DOTTED, TENT), (1, 1))
AD, OTHER = render_insertion(DOTTED), render_insertion(TENT)


def nativeness_of(answer: str, ad: Ad = DOTTED) -> float:
    parsed = parse_answer(answer, AUCTION.candidates)
    return nativeness(AUCTION, parsed, mask_answer(answer, parsed))[ad.ad_id]


def test_weights_sum_to_one() -> None:
    assert pytest.approx(1.0) == LATER_WEIGHT + OWN_WORDS_WEIGHT + ON_TOPIC_WEIGHT + NOT_CROWDED_WEIGHT


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (f"Choose a firm sole. On a muddy trail {AD} will keep you dry.", 1.0),
        (f"A muddy trail needs a pair with firm soles such as {AD}.", 1.0 - LATER_WEIGHT / 2),
        (f"{AD} will keep you dry on a muddy trail.", 1.0 - LATER_WEIGHT),
        (f"Choose a firm sole for muddy trails. Try {AD}.", 1.0 - OWN_WORDS_WEIGHT * 3 / 4),
        (f"Choose a firm sole for muddy trails.\n- {AD}\n- something else", 1.0 - OWN_WORDS_WEIGHT),
        (f"Life is short. Nobody knows why, but {AD} is great fun.", 1.0 - ON_TOPIC_WEIGHT),
        (f"Choose a firm sole. On a muddy trail both {AD} and {OTHER} will do.", 1.0 - NOT_CROWDED_WEIGHT),
        (AD, NOT_CROWDED_WEIGHT),
    ],
)
def test_each_feature_costs_its_weight(answer: str, expected: float) -> None:
    assert nativeness_of(answer) == pytest.approx(expected)


def test_a_full_stop_in_a_title_ends_no_sentence() -> None:
    answer = f"Choose a firm sole! Many hikers like {AD} because it holds. Enjoy."
    masked = mask_answer(answer, parse_answer(answer, AUCTION.candidates))
    assert len(masked.sentences) == 3
    assert masked.places == (1,)


def test_repeated_words_and_failed_insertions_are_no_text_of_ones_own() -> None:
    assert nativeness_of(f"Choose a firm sole. Boots boots boots boots {AD}.") == pytest.approx(
        1.0 - OWN_WORDS_WEIGHT * 3 / 4
    )
    broken = "@Some Very Long Wrong Title@[Ad-99]"
    assert nativeness_of(f"Muddy trails are slippery. {broken} {AD}.") == pytest.approx(1.0 - OWN_WORDS_WEIGHT)


def test_the_mask_character_in_an_answer_is_plain_text() -> None:
    assert nativeness_of(f"Odd \ue000 text. On a muddy trail {AD} will keep you dry.") == pytest.approx(1.0)


def test_the_sentence_before_may_carry_the_topic() -> None:
    assert nativeness_of(f"Hello. Muddy paths are slippery. Nobody falls with {AD} on.") == pytest.approx(1.0)
    assert nativeness_of(f"Muddy paths are slippery. So it goes. Nobody falls with {AD} on.") < 1.0


def test_stems_make_forms_of_a_word_meet() -> None:
    for forms in ("hike hikes hiking", "shoe shoes", "run runs running", "battery batteries", "dress dresses"):
        assert len(content_stems(forms)) == 1, forms
    assert content_stems("the and of best") == frozenset()


def test_any_text_can_be_judged() -> None:
    rng = np.random.default_rng(0)
    pieces = (
        AD,
        OTHER,
        "@",
        "[Ad-",
        "]",
        "\ue000",
        ". ",
        "\n",
        "\x85",
        "!",
        "muddy",
        " ",
        "@Wrong@[Ad-1]",
        "e.g. ",
        "…",
        "",
    )
    for _ in range(2000):
        answer = "".join(rng.choice(pieces, size=rng.integers(0, 15)))
        parsed = parse_answer(answer, AUCTION.candidates)
        masked = mask_answer(answer, parsed)
        values = nativeness(AUCTION, parsed, masked)
        assert len(masked.places) == len(parsed.ad_ids) == len(values)
        assert all(0.0 <= value <= 1.0 for value in values.values())
