"""Scenes of the pretraining corpus: a random user with a question, facing a catalog that no other document has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from llm_auction.base.catalogs import RandomAd, foreign_ads, random_topics, world_ad
from llm_auction.base.words import JOINTS
from llm_auction.market import Auction, Query, UserProfile
from llm_auction.population.profiles import write_profile
from llm_auction.population.queries import write_query
from llm_auction.prompts import Messages, render_messages
from llm_auction.world.topics import Topic, affinity, topics

WITHOUT_BIDS_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Scene:
    """An auction over a random catalog, and how relevant (0 to 1) each candidate is to user and question."""

    auction: Auction
    ads: tuple[RandomAd, ...]
    relevance: tuple[float, ...]
    topic: Topic | None

    @property
    def subject(self) -> str:
        """What the question is about, in a word or two; outside the bundled world its own words."""
        return self.topic.name if self.topic else self.auction.query.text

    @property
    def worth(self) -> tuple[float, ...]:
        """What each ad may bring for a click's bid: common sense, not the user model's own formula."""
        return tuple(bid * (0.1 + 0.9 * fit) for bid, fit in zip(self.auction.bids, self.relevance, strict=True))


def random_scene(candidates: int, foreign: bool, rng: Random) -> Scene:
    """A random user with a question, facing a catalog of which no ad was ever seen before.

    `foreign` takes titles as real feeds have them instead of the bundled world's kind.
    """
    taken: set[str] = set()
    wording = np.random.default_rng(rng.getrandbits(63))
    everything = list(topics().values())
    topic = rng.choice(everything)
    interests = [t.name for t in rng.sample(everything, rng.randint(2, 4))]
    if rng.random() < 0.5 and topic.name not in interests:
        interests[0] = topic.name
    profile = UserProfile("u", write_profile(interests, wording), tuple(interests))
    if foreign:
        ads = foreign_ads(candidates, rng, taken)
        question, category = search_words(rng.choice(ads), rng), None
        relevance = _feed_relevance(question, ads)
    else:
        near_share = rng.choice((0.1, 0.3, 0.5))
        ads = tuple(world_ad(t, rng, taken) for t in random_topics(candidates, topic, near_share, rng))
        relevance = tuple(_world_relevance(topic, interests, item.ad.category) for item in ads)
        question, category = write_query(topic, wording), topic.name
    bids = tuple(rng.randint(1, 100) for _ in ads)
    auction = Auction(Query("q", "u", question, category), profile, tuple(item.ad for item in ads), bids)
    return Scene(auction, ads, relevance, None if foreign else topic)


def replace_topic(scene: Scene, topic: Topic) -> Scene:
    """The scene as it would be if the same user had asked about another topic; relevance follows."""
    interests = scene.auction.profile.interests
    relevance = tuple(_world_relevance(topic, interests, item.ad.category) for item in scene.ads)
    return replace(scene, relevance=relevance, topic=topic)


def replace_question(scene: Scene, words: str) -> Scene:
    """The scene of a catalog like real feeds as it would be if the same user had searched for other words."""
    auction = replace(scene.auction, query=replace(scene.auction.query, text=words))
    return replace(scene, auction=auction, relevance=_feed_relevance(words, scene.ads))


def term_for(scene: Scene, item: RandomAd) -> str:
    """By what a sentence introduces an ad: outside the bundled world by a searched word of its title, if it has one."""
    if scene.topic is not None:
        return item.term
    shared = [word for word in scene.auction.query.text.split() if word in title_words(item)]
    return max(shared, key=len, default=item.term)


def scene_messages(scene: Scene, question: str | None, *, show_bids: bool, show_ads: bool = True) -> Messages:
    """The prompt of a scene, with another question in place of its own where one is given."""
    auction = scene.auction if show_ads else replace(scene.auction, candidates=(), bids=())
    if question is not None:
        auction = replace(auction, query=replace(auction.query, text=question))
    return render_messages(auction, show_bids=show_bids)


def _world_relevance(topic: Topic, interests: Sequence[str], category: str) -> float:
    """Common sense about who needs what, in [0, 1]: mostly the question, a little the interests."""
    to_query = affinity(topic.name, category) or 0.0
    to_user = max(affinity(interest, category) or 0.0 for interest in interests)
    return 0.8 * to_query + 0.2 * to_user


def _feed_relevance(question: str, ads: Sequence[RandomAd]) -> tuple[float, ...]:
    """Share of the searched words that an ad's title has."""
    wanted = set(question.split())
    return tuple(len(wanted & title_words(item)) / len(wanted) for item in ads)


def title_words(item: RandomAd) -> set[str]:
    """The words of an ad's title as somebody might search for them."""
    return {word.strip("(),").lower() for word in item.ad.title.split()}


def search_words(item: RandomAd, rng: Random) -> str:
    """What somebody who looks for this ad might type: some words of its title."""
    words = sorted(word for word in title_words(item) if len(word) > 1 and word not in JOINTS) or [item.term]
    return " ".join(rng.sample(words, min(len(words), rng.randint(1, 4))))
