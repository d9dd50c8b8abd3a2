"""The lists of the pretraining corpus: ads copied, looked up, ranked and advised.

They are where a small model learns what answers need: many choices a document make a circuit form that one choice an
answer does not (`docs/experiments.md`). Whatever depends on the question names its subject first: what it is about is
then settled once, and an ad is judged against a word or two. What nothing but a random order decides is read and not
learnt: it is noise in which the choice would drown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from llm_auction.answers import render_insertion
from llm_auction.base.authors import best_of_their_kind
from llm_auction.base.catalogs import RandomAd
from llm_auction.base.scenes import Scene, replace_question, replace_topic, search_words, term_for
from llm_auction.world.topics import Topic, topics

BY_TERM, BY_BID, BY_BOTH = "For {term}, ", "At {bid}, ", "For {term} at {bid}, "
BY_NEED, BY_NEED_AND_TERM = "For {need}, ", "About {need}: for {term}, "
_RANKING_INTRODUCTIONS = ("", BY_TERM, BY_TERM, BY_BID)
ON_SUBJECT = "On {subject}: "
_LONGEST = 8  # items a list
_SUBJECTS, _ADVISED = 4, 3  # a list of advice: how many subjects, and at most how many ads for one


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that is learnt after its prompt.

    `arbitrary` are spans of it, in characters, that nothing before them decides. A token that starts in one is read but
    not learnt.
    """

    text: str
    arbitrary: tuple[tuple[int, int], ...] = ()


def copied(scene: Scene, rng: Random) -> Completion:
    """Up to six ads in another order."""
    links = [render_insertion(item.ad) for item in rng.sample(scene.ads, min(len(scene.ads), 6))]
    return Completion(" ".join(links), tuple((start + 1, start + 2) for start in _starts(links)))


def looked_up(scene: Scene, introductions: Sequence[str], rng: Random) -> Completion:
    """Ads in any order, each after what it is looked up by.

    Outside the bundled world a line's category says little, so that only bids and the title's own words can choose.
    """
    introduction = rng.choice(introductions if scene.topic else (BY_BID, BY_TERM))
    order = rng.sample(range(len(scene.ads)), min(len(scene.ads), _LONGEST))
    key, need, _ = introduction.partition("{need}")  # after the need, even the term can be told
    items: list[str] = []
    undecided: list[int] = []
    for i in order:
        item = scene.ads[i]
        values = {"term": item.term, "bid": scene.auction.bids[i], "need": _need(item, rng) if need else ""}
        undecided.append(len((key + need).format(**values)))
        items.append(introduction.format(**values) + f"{render_insertion(item.ad)}.")
    spans = [(start, start + length) for start, length in zip(_starts(items), undecided, strict=True)]
    return Completion(" ".join(items), tuple(spans))


def ranked(scene: Scene, scores: Sequence[float], counts: tuple[int, int], beginning: str, rng: Random) -> Completion:
    """The ads of the highest scores, best first; how many (least, most) and how they are introduced is drawn."""
    introduction = rng.choice(_RANKING_INTRODUCTIONS)
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[: rng.randint(*counts)]
    items = [
        introduction.format(term=scene.ads[i].term, bid=scene.auction.bids[i]) + f"{render_insertion(scene.ads[i].ad)}."
        for i in best
    ]
    return Completion(beginning + " ".join(items))


def advised(scene: Scene, rng: Random) -> Completion:
    """For subjects in any order, the ads worth most to somebody who asks about them: a choice every few tokens."""
    items: list[str] = []
    undecided: list[int] = []
    for about in _asked_about(scene, rng):
        best = [scene.ads[i] for i in best_of_their_kind(scene, about.worth)[:_ADVISED]]
        beginning = ON_SUBJECT.format(subject=about.subject)
        undecided.append(len(beginning))
        named = "; ".join(f"for {term_for(about, item)}, {render_insertion(item.ad)}" for item in best)
        items.append(f"{beginning}{named}.")
    spans = [(start, start + length) for start, length in zip(_starts(items), undecided, strict=True)]
    return Completion(" ".join(items), tuple(spans))


def _asked_about(scene: Scene, rng: Random) -> list[Scene]:
    """The scene under several other questions: other topics, or other words that a search in feeds may be for."""
    draws = range(2 * _SUBJECTS)
    if scene.topic is None:
        searches = dict.fromkeys(search_words(rng.choice(scene.ads), rng) for _ in draws)
        return [replace_question(scene, words) for words in list(searches)[:_SUBJECTS]]
    subjects = dict.fromkeys(_some_subject(scene, rng) for _ in draws)
    return [replace_topic(scene, topic) for topic in list(subjects)[:_SUBJECTS]]


def known(scene: Scene, rng: Random) -> Completion:
    """What the question is about, a tip, and what is near to it: all without ads, so that much fits into little."""
    topic = scene.topic
    if topic is None:
        return Completion(ON_SUBJECT.format(subject=scene.subject).strip())
    near = rng.sample(sorted(topic.related), min(2, len(topic.related)))
    return Completion(
        f"{ON_SUBJECT.format(subject=topic.name)}{rng.choice(topic.tips)}. Near to it: {', '.join(near)}."
    )


def _some_subject(scene: Scene, rng: Random) -> Topic:
    """A topic that some candidate belongs to, or is related to, or now and then any other."""
    topic = rng.choice([item.topic for item in scene.ads if item.topic])
    kind = rng.random()
    if kind < 0.65:
        return topic
    return topics()[rng.choice(sorted(topic.related))] if kind < 0.9 else rng.choice(list(topics().values()))


def _need(item: RandomAd, rng: Random) -> str:
    """In whose words the ad may be asked for: what its topic is needed for, or another product of it."""
    return rng.choice(item.topic.needs + item.topic.products) if item.topic else item.term


def _starts(items: Sequence[str]) -> list[int]:
    """Where each item starts in the text that joins them with single spaces."""
    return [sum(len(item) + 1 for item in items[:i]) for i in range(len(items))]
