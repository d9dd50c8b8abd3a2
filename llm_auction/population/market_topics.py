"""What people can ask about on a given market: the catalog's categories as topics.

Categories of the bundled world bring their needs and neighbours along. Any other category becomes a topic of its own
whose products are named after its ads, so that generated questions fit a catalog of one's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llm_auction.market import Ad
from llm_auction.world.topics import Topic, topics

_PRODUCTS = 40  # ads of a category that lend their names
_WORDS = 4  # of a title: enough to say what it is, short enough for a question


def market_topics(ads: Iterable[Ad]) -> dict[str, Topic]:
    """The topics of a catalog by name, in the order in which it brings them up."""
    titles: dict[str, list[str]] = {}
    for ad in ads:
        titles.setdefault(ad.category, []).append(ad.title)
    known = topics()
    return {name: known.get(name) or _topic(name, names) for name, names in titles.items()}


def interest_topics(market: Mapping[str, Topic]) -> Mapping[str, Topic]:
    """The topics that a profile can name as interests; the bundled world's where a catalog's are mere numbers."""
    named = {name: topic for name, topic in market.items() if any(letter.isalpha() for letter in name)}
    return named or topics()


def _topic(name: str, titles: list[str]) -> Topic:
    products = tuple(dict.fromkeys(" ".join(title.split()[:_WORDS]).rstrip(",;:|-") for title in titles[:_PRODUCTS]))
    return Topic(name=name, domain="", products=products, needs=(), tips=(), related=frozenset())
