"""Random catalogs for pretraining: every document sees ads that no other document has.

A model that always read the same ads would learn them by heart; one that meets a new catalog in every document can
only learn to copy from its prompt, which is what lets it serve any catalog (`llm_auction.catalog`).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from llm_auction.market import Ad
from llm_auction.world.topics import Topic, topics

MAX_TITLE_LENGTH = 80

_ONSETS = (
    "b br c ch cl cr d dr f fl fr g gl gr h j k kl kn l m n p pl pr qu r s sh sk sl sp st str t th tr v w wh y z"
).split()
_VOWELS = "a e i o u a e i o u ai ea ee ie oa oo ou y".split()
_CODAS = "b ck d ft g k l ld ll lt m mp n nd ng nk nt p r rd rk rm rn rt s sh ss st t tch th x".split() + [""] * 14

# Everyday words of product titles: enough variety that the tokenizer gets whole words for real catalogs too.
QUALITIES = (
    "waterproof light compact organic portable classic premium foldable wireless soft heavy duty quiet natural smart "
    "durable slim modern original fresh gentle adjustable reusable breathable ergonomic professional digital electric "
    "stainless wooden cotton leather silver golden black white blue red green grey brown pink navy vintage outdoor "
    "indoor universal magnetic solar mini large small medium extra deluxe complete daily family junior women men kids "
    "unisex handmade recycled antique ceramic glass bamboo steel aluminum plastic rubber silicone velvet knit denim "
    "hooded sleeveless long short round square double single dual automatic manual rechargeable replacement"
).split()
NOUNS = (
    "set kit pack box case bag cover stand holder rack shelf table chair lamp bulb mirror frame pillow towel curtain "
    "carpet bottle cup mug plate bowl spoon knife pan pot oven kettle blender mixer filter pump hose cable adapter "
    "charger battery keyboard mouse monitor printer router tablet watch ring necklace bracelet shirt dress jacket "
    "coat pants skirt socks gloves scarf hat belt shoes sandals boots sneakers slippers wallet backpack umbrella "
    "blade motor engine wheel tire brake mower tractor drill saw hammer wrench screw paint brush ladder rope tent "
    "lantern cooler bike helmet ball racket gloves mat rug toy doll puzzle book poster card calendar candle soap "
    "lotion cream oil serum shampoo vitamin tablet powder tea coffee chocolate cookie snack sauce spice honey rice "
    "pasta juice water detox cleanse formula supplement collar leash bed crate cage tank seeds plant planter "
    "fertilizer door handle lock window screen sensor camera speaker headphones microphone guitar piano drum strings "
    "cartridge toner paper pen notebook folder sticker label tape glue magnet clock alarm scale thermometer mask wig "
    "costume gift basket"
).split()
_JOINTS = ("for", "with", "and", "in", "of", "by", "-", "&")
_UNITS = tuple("inch cm mm ml oz lbs kg g ft GB W V GHz Mbps pcs count pack".split())


@dataclass(frozen=True, slots=True)
class RandomAd:
    """A made-up ad and the `term` by which a sentence may introduce it; `topic` is None outside the bundled world."""

    ad: Ad
    term: str
    topic: Topic | None


def pseudo_word(rng: Random) -> str:
    """A pronounceable word that no dictionary holds, such as a brand."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice((1, 2, 2, 3)))
    )


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
            f"{brand} {product} {_model_number(rng)}",
            f"{brand} {topic.name.title()}",
        )
    )
    return RandomAd(Ad(_ad_id(rng, taken), title, topic.name), topic.name, topic)


def foreign_ad(rng: Random, taken: set[str]) -> RandomAd:
    """An ad as real feeds have them: long titles, sizes, model numbers, odd spellings, categories that say little."""
    words: list[str] = []
    limit = rng.choice((25, 40, 60, MAX_TITLE_LENGTH))
    while True:
        kind = rng.random()
        if kind < 0.33:
            word = rng.choice(NOUNS).title()
        elif kind < 0.53:
            word = rng.choice(QUALITIES).title()
        elif kind < 0.73:
            word = pseudo_word(rng)
            word = rng.choice((word.title(), word.title(), word, word.upper()))
        elif kind < 0.83:
            word = rng.choice(_JOINTS)
        elif kind < 0.93:
            word = rng.choice(
                (str(rng.randint(1, 9999)), f"{rng.randint(1, 99)} {rng.choice(_UNITS)}", _model_number(rng))
            )
        else:
            word = f"({rng.choice(NOUNS).title()})" if rng.random() < 0.5 else f"{rng.choice(NOUNS).title()},"
        if len(" ".join([*words, word])) > limit:
            break
        words.append(word)
    title = " ".join(words).strip(" ,-&") or pseudo_word(rng).title()
    content = [word.strip("(),").lower() for word in words if len(word.strip("(),")) > 3 and word[0].isalpha()]
    term = rng.choice(content) if content else title.lower()
    category = rng.choice(("general", "general", f"{rng.randint(0, 9)}.0", rng.choice(NOUNS), term))
    return RandomAd(Ad(_ad_id(rng, taken), title, category), term, None)


def random_topics(count: int, near: Topic, near_share: float, rng: Random) -> list[Topic]:
    """Topics for the candidates of one question: a share of them `near` or related to it, the rest anything."""
    everything = list(topics().values())
    neighbours = [near, near, *(topics()[name] for name in sorted(near.related))]
    return [rng.choice(neighbours) if rng.random() < near_share else rng.choice(everything) for _ in range(count)]


def _model_number(rng: Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTXZ") for _ in range(rng.randint(1, 3)))
    return f"{letters}{rng.choice(('', '-', ' '))}{rng.randint(1, 999)}"


def _ad_id(rng: Random, taken: set[str]) -> str:
    while True:
        kind = rng.random()
        if kind < 0.7:
            ad_id = f"{rng.randint(1000, 9999)}"
        elif kind < 0.92:
            ad_id = f"{rng.randint(1, 99999)}"
        else:
            ad_id = f"{rng.choice(('B0', 'SKU', 'P-', 'x'))}{rng.randint(1, 99999)}"
        if ad_id not in taken:
            taken.add(ad_id)
            return ad_id
