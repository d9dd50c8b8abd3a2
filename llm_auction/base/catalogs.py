"""Random catalogs for pretraining: every document sees ads that no other document has.

A model that always read the same ads would learn them by heart; one that meets a new catalog in every document can
only learn to copy from its prompt, which is what lets it serve any catalog (`llm_auction.catalog`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from llm_auction.base.words import NOUNS, QUALITIES, feed_word, model_number, pseudo_word
from llm_auction.market import Ad
from llm_auction.world.topics import Topic, topics

MAX_TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class RandomAd:
    """A made-up ad and the `term` by which a sentence may introduce it; `topic` is None outside the bundled world."""

    ad: Ad
    term: str
    topic: Topic | None


def world_ad(topic: Topic, rng: Random, taken: set[str]) -> RandomAd:
    """An ad of a topic of the bundled world under an invented brand."""
    product = rng.choice(topic.products).title()
    brand = pseudo_word(rng).title() if rng.random() < 0.8 else rng.choice(NOUNS).title() + rng.choice(NOUNS)
    quality = rng.choice(QUALITIES).title()
    title = rng.choice(
        (
            f"{brand} {product}",
            f"{brand} {quality} {product}",
            f"{quality} {product} by {brand}",
            f"{brand} {rng.choice(NOUNS).title()} {product}",
            f"{brand} {product} {model_number(rng)}",
            f"{brand} {topic.name.title()}",
        )
    )
    return RandomAd(Ad(_ad_id(rng, taken), title, topic.name), topic.name, topic)


def foreign_ads(count: int, rng: Random, taken: set[str]) -> tuple[RandomAd, ...]:
    """Ads as real feeds have them: long titles, sizes, model numbers, odd spellings, categories that say little.

    Candidates found for one query are alike: the same brand, the same words in the same order, another size. So a drawn
    share of the ads takes half of its title from a few phrases: a model that copies a title by its last word or two
    then goes on in another ad's title, and has to learn to keep to its line.
    """
    phrases = [" ".join(feed_word(rng) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(2, 8))]
    alike_share = rng.choice((0.0, 0.0, 0.4, 0.7, 0.9))
    return tuple(_foreign_ad(phrases if rng.random() < alike_share else [], rng, taken) for _ in range(count))


def _foreign_ad(phrases: Sequence[str], rng: Random, taken: set[str]) -> RandomAd:
    limit = rng.choice((25, 40, 60, MAX_TITLE_LENGTH))
    left = rng.sample(phrases, len(phrases))
    title, own = "", list[str]()
    part, shared = (phrases[0], True) if phrases and rng.random() < 0.5 else (feed_word(rng), False)
    while len(title) + 1 + len(part) <= limit:
        title = f"{title} {part}".strip()
        own += [] if shared else [part]
        shared = bool(left) and rng.random() < 0.5
        part = left.pop() if shared else feed_word(rng)
    title = title.strip(" ,-&|") or pseudo_word(rng).title()
    # What tells the ad from others that are alike is what a sentence would name.
    content = _content(own) or _content(title.split())
    term = rng.choice(content) if content else title.lower()
    category = rng.choice(("general", "general", f"{rng.randint(0, 9)}.0", rng.choice(NOUNS), term))
    return RandomAd(Ad(_ad_id(rng, taken), title, category), term, None)


def _content(words: Sequence[str]) -> list[str]:
    """What the words name, in lower case: neither joints nor numbers."""
    plain = [word.strip("(),").removesuffix("'s") for word in words]
    return [word.lower() for word in plain if len(word) > 3 and word[0].isalpha()]


def random_topics(count: int, near: Topic, near_share: float, rng: Random) -> list[Topic]:
    """Topics for the candidates of one question: a share of them `near` or related to it, the rest anything."""
    everything = list(topics().values())
    neighbours = [near, near, *(topics()[name] for name in sorted(near.related))]
    return [rng.choice(neighbours) if rng.random() < near_share else rng.choice(everything) for _ in range(count)]


def _ad_id(rng: Random, taken: set[str]) -> str:
    while True:
        kind = rng.random()
        if kind < 0.7:
            ad_id = f"{rng.randint(1000, 9999)}"
        elif kind < 0.92:
            ad_id = f"{rng.randint(1, 199_999)}"
        else:
            ad_id = f"{rng.choice(('B0', 'SKU', 'P-', 'x'))}{rng.randint(1, 99999)}"
        if ad_id not in taken:
            taken.add(ad_id)
            return ad_id
