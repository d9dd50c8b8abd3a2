"""How well each inserted ad is woven into the text around it, from the text alone (the paper's nativeness criterion).

Four features, each in [0, 1], and their weighted sum:

    later        0.25  helpful text comes first: 1 when the ad stands after the first sentence, 0.5 when it stands in
                       the first sentence after at least four words of the answer, else 0
    own words    0.25  its sentence says something besides naming ads: distinct words of its own, of four, as a share
    on topic     0.30  its sentence, or the one before, shares a content word with the question or with the ad's own
                       title or category
    not crowded  0.20  no other ad stands in its sentence
"""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.answers import ParsedAnswer
from llm_auction.market import Ad, Auction
from llm_auction.sentences import MaskedAnswer, content_stems, distinct_words

LATER_WEIGHT = 0.25
OWN_WORDS_WEIGHT = 0.25
ON_TOPIC_WEIGHT = 0.30
NOT_CROWDED_WEIGHT = 0.20

ENOUGH_WORDS = 4


def nativeness(auction: Auction, parsed: ParsedAnswer, masked: MaskedAnswer) -> dict[str, float]:
    """Nativeness in [0, 1] of each inserted ad of an answer, by ad id.

    Args:
        auction: supplies the question and the ads' titles and categories.
        parsed: the answer, as `parse_answer` read it.
        masked: the same answer, as `mask_answer` cut it.
    """
    ads: Mapping[str, Ad] = {ad.ad_id: ad for ad in auction.candidates}
    result: dict[str, float] = {}
    for number, inserted in enumerate(parsed.inserted_ads):
        place = masked.places[number]
        opening = 0.5 if masked.words_before[number] >= ENOUGH_WORDS else 0.0
        later = 1.0 if place > 0 else opening
        sentence = masked.sentences[place]
        own_words = min(len(distinct_words(sentence)), ENOUGH_WORDS) / ENOUGH_WORDS
        nearby = sentence if place == 0 else f"{masked.sentences[place - 1]} {sentence}"
        ad = ads[inserted.ad_id]
        topic = content_stems(f"{auction.query.text} {ad.title} {ad.category}")
        on_topic = 0.0 if topic.isdisjoint(content_stems(nearby)) else 1.0
        not_crowded = 1.0 if masked.places.count(place) == 1 else 0.0
        result[inserted.ad_id] = (
            LATER_WEIGHT * later
            + OWN_WORDS_WEIGHT * own_words
            + ON_TOPIC_WEIGHT * on_topic
            + NOT_CROWDED_WEIGHT * not_crowded
        )
    return result
