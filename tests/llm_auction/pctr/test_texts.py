"""What the reward model reads: encoders, latent topics, and the placement of ads in an answer."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.answers import render_insertion
from llm_auction.market import Ad
from llm_auction.pctr.encoders import HashingEncoder, open_encoder, stem
from llm_auction.pctr.features import ANSWER_COLUMNS, DENSE_FIELDS, build_features, placements_of, topics_of
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.placement import STRUCTURE_FIELDS, placements
from llm_auction.pctr.topics import LatentTopics, fit_topics
from tests.llm_auction.pctr.simulated_market import simulate

BOOTS = Ad("1", "St. Alder Boots", "hiking boots")
BOOT = (-0.40825, -0.81650, 0, -0.40825, 0, 0)
TENT = Ad("2", "Fenn Tent", "camping gear")
SHOES = Ad("3", "Tarn Trail Shoes", "hiking boots")


def test_hashing_brings_like_texts_together_and_is_the_same_everywhere() -> None:
    vectors = HashingEncoder().encode(["hiking boots for mud", "Boots to hike in!", "espresso machine", ""])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0], atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    # Fixed values: the projection must be the same in every process and version, or saved models would read noise.
    np.testing.assert_allclose(HashingEncoder(6, style=True).encode(["boot"])[0], BOOT, atol=1e-4)


def test_stems_meet() -> None:
    assert stem("boots") == stem("boot")
    assert stem("cycling") == stem("cycle")


def test_topics_join_words_that_never_meet_in_one_text() -> None:
    documents = ["muddy trails need boots", "boots by Alder", "espresso needs beans", "beans by Solis"] * 3
    topics = fit_topics(documents, dimension=2)
    muddy, alder, solis = topics.encode(["muddy trails", "Alder", "Solis"])
    assert muddy @ alder > 0.9
    assert abs(muddy @ solis) < 0.2
    again = fit_topics(documents, dimension=2)
    assert again.terms == topics.terms
    np.testing.assert_array_equal(again.vectors, topics.vectors)


@pytest.mark.parametrize("documents", [[], ["one text"], ["the of and"] * 3, ["boots"] * 4])
def test_topics_of_a_poor_corpus_are_zeros(documents: list[str]) -> None:
    topics = fit_topics(documents, dimension=4)
    assert topics.encode(["boots", ""]).shape == (2, 4)
    assert not topics.encode(["", "unseen"]).any()


def structure_of(answer: str, *shown: Ad) -> list[dict[str, float]]:
    return [dict(zip(STRUCTURE_FIELDS, place.structure.tolist(), strict=True)) for place in placements(answer, shown)]


def test_a_placement_is_the_ads_own_sentence_and_what_comes_before() -> None:
    answer = f"Mud is slippery. For trails, {render_insertion(BOOTS)} is good! {render_insertion(TENT)}"
    first, second = placements(answer, (BOOTS, TENT))
    assert first.sentence.split() == ["For", "trails,", "is", "good!"], "a full stop in a title ends no sentence"
    assert first.before == "Mud is slippery."
    assert second.sentence.strip() == ""
    assert "Alder" not in second.answer
    one, two = structure_of(answer, BOOTS, TENT)
    assert (one["is first"], two["is last"], one["two ads"]) == (1, 1, 1)
    assert one["sentence index"] < two["sentence index"]
    assert (one["fewer than three own words"], two["fewer than three own words"]) == (0, 1)
    assert one["exclamation marks in the sentence"] == 1


def test_competitors_and_crowded_sentences_are_seen() -> None:
    answer = f"Take {render_insertion(BOOTS)} or {render_insertion(SHOES)}. Or {render_insertion(TENT)}, @Boots@[Ad-9]."
    boots, shoes, tent = structure_of(answer, BOOTS, SHOES, TENT)
    assert (boots["shares its category"], shoes["shares its category"], tent["shares its category"]) == (1, 1, 0)
    assert (boots["first of its category"], shoes["first of its category"]) == (1, 0)
    assert (boots["ads in the sentence"], tent["ads in the sentence"]) == (0.5, 0)
    assert (boots["rank in the sentence"], shoes["rank in the sentence"]) == (0, 0.5)
    assert tent["format errors"] == 1


def test_an_answer_that_does_not_hold_the_ad_is_survived() -> None:
    (place,) = placements("Nothing here.", (BOOTS,))
    assert place.sentence == ""
    assert np.isfinite(place.structure).all()
    assert np.isfinite(placements("", (BOOTS,))[0].structure).all()


def test_features_are_finite_and_blank_without_the_answer() -> None:
    impressions = simulate(40, seed=3).impressions
    topics = topics_of(impressions, placements_of(impressions))
    features = build_features(impressions, open_encoder("hashing"), topics)
    assert features.dense.shape == (len(impressions), len(DENSE_FIELDS))
    assert np.isfinite(features.dense).all()
    blank = build_features(impressions, open_encoder("hashing"), topics, use_answer_features=False)
    assert not blank.dense[:, ANSWER_COLUMNS].any()
    assert blank.dense[:, ~ANSWER_COLUMNS].any()
    np.testing.assert_array_equal(blank.dense[:, ~ANSWER_COLUMNS], features.dense[:, ~ANSWER_COLUMNS])
    assert not blank.styles.any()
    empty = build_features([], open_encoder("hashing"), LatentTopics((), np.zeros((0, 4), dtype=np.float32)))
    assert len(empty) == 0


def test_an_impression_whose_ad_is_not_among_the_shown_is_refused() -> None:
    wrong = Impression("u", "q", "p", render_insertion(BOOTS), TENT, 0, 1, (BOOTS,))
    with pytest.raises(ValueError, match="not among the ads shown"):
        build_features([wrong], open_encoder("hashing"), fit_topics([]))
