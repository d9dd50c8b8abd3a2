"""The pretraining corpus: an endless, seeded stream of documents, each a prompt and several texts that may follow it.

A prompt is far longer than what follows it: a model that computes it once for several completions learns several times
as much in the same time.

Four kinds. *Copy* documents ask for the ads themselves in another order: they teach the in-context copy circuit that
everything else needs. *Look-up* documents list every ad after its category, its bid or a need that it serves: they
teach to choose an ad by what its line says and means. Both list in any order, and what nothing but that order decides
is not learnt: it is noise in which the choice would drown. *Task* documents ask which ads fit, pay or earn most, as
instruction data does; they teach the model to read bids and categories. *Answer* documents are answers to users, in
which ads are picked by relevance, by bid, by both or by nothing: the habit that preference optimisation (Eq. 6) later
sharpens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from llm_auction.answers import render_insertion
from llm_auction.base.catalogs import RandomAd, foreign_ad, random_topics, world_ad
from llm_auction.base.writing import write_answer
from llm_auction.market import Auction, Query, UserProfile
from llm_auction.population.profiles import write_profile
from llm_auction.population.queries import write_query
from llm_auction.prompts import Messages, render_messages
from llm_auction.world.topics import Topic, affinity, topics

_ADS_PER_ANSWER = (0, 1, 2, 3, 4, 5, 6)
_ADS_PER_ANSWER_WEIGHTS = (12, 33, 26, 15, 8, 4, 2)
_WITHOUT_BIDS_SHARE = 0.08
_ANSWERS_A_PROMPT, _LISTS_A_PROMPT = 6, 3
BY_TERM, BY_BID, BY_BOTH = "For {term}, ", "At {bid}, ", "For {term} at {bid}, "
BY_NEED, BY_NEED_AND_TERM = "For {need}, ", "About {need}: for {term}, "
_RANKING_INTRODUCTIONS = ("", BY_TERM, BY_TERM, BY_BID)


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that is learnt after its prompt.

    `arbitrary` are spans of it, in characters, that nothing before them decides. A token that starts in one is read but
    not learnt.
    """

    text: str
    arbitrary: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One training example: chat messages and the distinct completions that are learnt after them."""

    messages: Messages
    completions: tuple[Completion, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """What a stage of the curriculum draws: shares of the kinds (the rest are answers) and candidates a prompt.

    `lookups` are the introductions of which a list of a look-up document draws one. `task_shares` are the shares of the
    tasks "by bid" and "fit best" (the rest is "earn most"); `whole_lists` lets every task list up to eight ads.
    """

    copy_share: float
    task_share: float
    candidates: tuple[int, ...]
    foreign_share: float = 0.35
    lookup_share: float = 0.0
    lookups: tuple[str, ...] = (BY_TERM, BY_BID, BY_BOTH)
    task_shares: tuple[float, float] = (0.4, 0.25)
    whole_lists: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """An auction over a random catalog, and how relevant (0 to 1) each candidate is to user and question."""

    auction: Auction
    ads: tuple[RandomAd, ...]
    relevance: tuple[float, ...]
    topic: Topic | None


def document(mix: Mix, rng: Random) -> Document:
    """The next document of a stage."""
    scene = random_scene(rng.choice(mix.candidates), rng.random() < mix.foreign_share, rng)
    kind = rng.random()
    if kind < mix.copy_share:
        return _copy(scene, rng)
    if kind < mix.copy_share + mix.task_share:
        return _task(scene, mix, rng)
    if kind < mix.copy_share + mix.task_share + mix.lookup_share:
        return _lookup(scene, mix.lookups, rng)
    return _answer(scene, rng)


def random_scene(candidates: int, foreign: bool, rng: Random) -> Scene:
    """A random user with a question, facing a catalog of which no ad was ever seen before."""
    taken: set[str] = set()
    wording = np.random.default_rng(rng.getrandbits(63))
    everything = list(topics().values())
    topic = rng.choice(everything)
    interests = [t.name for t in rng.sample(everything, rng.randint(2, 4))]
    if rng.random() < 0.5 and topic.name not in interests:
        interests[0] = topic.name
    profile = UserProfile("u", write_profile(interests, wording), tuple(interests))
    if foreign:
        ads = tuple(foreign_ad(rng, taken) for _ in range(candidates))
        question, category = _search_words(rng.choice(ads), rng), None
        wanted = set(question.split())
        relevance = tuple(len(wanted & _words(item)) / len(wanted) for item in ads)
    else:
        near_share = rng.choice((0.1, 0.3, 0.5))
        ads = tuple(world_ad(t, rng, taken) for t in random_topics(candidates, topic, near_share, rng))
        relevance = tuple(_world_relevance(topic, interests, item.ad.category) for item in ads)
        question, category = write_query(topic, wording), topic.name
    bids = tuple(rng.randint(1, 100) for _ in ads)
    auction = Auction(Query("q", "u", question, category), profile, tuple(item.ad for item in ads), bids)
    return Scene(auction, ads, relevance, None if foreign else topic)


def _copy(scene: Scene, rng: Random) -> Document:
    messages = _messages(scene, rng, "Repeat the ads in another order.")
    return _document(messages, [_copied(scene, rng) for _ in range(_LISTS_A_PROMPT)])


def _copied(scene: Scene, rng: Random) -> Completion:
    links = [render_insertion(item.ad) for item in rng.sample(scene.ads, min(len(scene.ads), 6))]
    return Completion(" ".join(links), tuple((start + 1, start + 2) for start in _starts(links)))


def _task(scene: Scene, mix: Mix, rng: Random) -> Document:
    bids = scene.auction.bids
    earnings = [bid * (0.1 + relevance) for bid, relevance in zip(bids, scene.relevance, strict=True)]
    question = scene.auction.query.text
    by_bid, by_fit = mix.task_shares
    task = rng.random()
    if task < by_bid:
        return _ranking(scene, "List ads by bid, the highest first.", bids, (2, 8), rng)
    if task < by_bid + by_fit:
        relevance = [r + bid / 1000 for r, bid in zip(scene.relevance, bids, strict=True)]
        return _ranking(scene, f"{question} Which ads fit best?", relevance, (2, 8) if mix.whole_lists else (1, 4), rng)
    return _ranking(scene, f"{question} Which ads earn most?", earnings, (2, 8) if mix.whole_lists else (1, 5), rng)


def _lookup(scene: Scene, introductions: Sequence[str], rng: Random) -> Document:
    """Every ad after what it is looked up by, in any order: choosing by content, many times in one document.

    A single choice a document hardly moves a model; a list of them makes the circuit form (`docs/experiments.md`).
    Outside the bundled world a line's category says little, so that only bids can choose.
    """
    messages = _messages(scene, rng, "Which ad is for what?", show_bids=True)
    return _document(messages, [_looked_up(scene, introductions, rng) for _ in range(_LISTS_A_PROMPT)])


def _looked_up(scene: Scene, introductions: Sequence[str], rng: Random) -> Completion:
    introduction = rng.choice(introductions) if scene.topic else BY_BID
    order = rng.sample(range(len(scene.ads)), min(len(scene.ads), 8))
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


def _need(item: RandomAd, rng: Random) -> str:
    """In whose words the ad may be asked for: what its topic is needed for, or another product of it."""
    return rng.choice(item.topic.needs + item.topic.products) if item.topic else item.term


def _ranking(scene: Scene, question: str, scores: Sequence[float], counts: tuple[int, int], rng: Random) -> Document:
    """The ads of the highest scores, best first; how many (least, most) and how introduced differs by completion."""
    best = sorted(range(len(scores)), key=lambda i: -scores[i])
    messages = _messages(scene, rng, question, show_bids=True)
    lists = [
        Completion(" ".join(_items(scene, best[: rng.randint(*counts)], rng.choice(_RANKING_INTRODUCTIONS))))
        for _ in range(_LISTS_A_PROMPT)
    ]
    return _document(messages, lists)


def _document(messages: Messages, completions: Sequence[Completion]) -> Document:
    return Document(messages, tuple(dict.fromkeys(completions)))


def _items(scene: Scene, order: Sequence[int], introduction: str) -> list[str]:
    ads, bids = scene.ads, scene.auction.bids
    return [introduction.format(term=ads[i].term, bid=bids[i]) + f"{render_insertion(ads[i].ad)}." for i in order]


def _starts(items: Sequence[str]) -> list[int]:
    """Where each item starts in the text that joins them with single spaces."""
    return [sum(len(item) + 1 for item in items[:i]) for i in range(len(items))]


def _answer(scene: Scene, rng: Random) -> Document:
    show_bids = rng.random() > _WITHOUT_BIDS_SHARE
    messages = _messages(scene, rng, show_bids=show_bids)
    return _document(messages, [_answered(scene, show_bids, rng) for _ in range(_ANSWERS_A_PROMPT)])


def _answered(scene: Scene, show_bids: bool, rng: Random) -> Completion:
    wanted = rng.choices(_ADS_PER_ANSWER, _ADS_PER_ANSWER_WEIGHTS)[0]
    habit = rng.random()
    if habit < 0.25:
        scores = [0.0] * len(scene.ads)
    elif habit < 0.6 or not show_bids:
        scores = [5 * r for r in scene.relevance]
    elif habit < 0.72:
        scores = [bid / 12 for bid in scene.auction.bids]
    else:
        scores = [bid * (0.1 + r) / 10 for bid, r in zip(scene.auction.bids, scene.relevance, strict=True)]
    # Gumbel noise makes a ranking a draw without replacement from the softmax of the scores.
    noisy = [score - math.log(-math.log(rng.random() or 0.5)) for score in scores]
    best = sorted(range(len(noisy)), key=lambda i: -noisy[i])[:wanted]
    return Completion(write_answer(scene.auction.query.text, scene.topic, [scene.ads[i] for i in best], rng))


def _messages(scene: Scene, rng: Random, question: str | None = None, *, show_bids: bool | None = None) -> Messages:
    auction = scene.auction
    if question is not None:
        auction = replace(auction, query=replace(auction.query, text=question))
    shown = rng.random() > _WITHOUT_BIDS_SHARE if show_bids is None else show_bids
    return render_messages(auction, show_bids=shown)


def _world_relevance(topic: Topic, interests: Sequence[str], category: str) -> float:
    """Common sense about who needs what, in [0, 1]: mostly the question, a little the interests."""
    to_query = affinity(topic.name, category) or 0.0
    to_user = max(affinity(interest, category) or 0.0 for interest in interests)
    return 0.8 * to_query + 0.2 * to_user


def _words(item: RandomAd) -> set[str]:
    return {word.strip("(),").lower() for word in item.ad.title.split()}


def _search_words(item: RandomAd, rng: Random) -> str:
    """What somebody who looks for this ad might type: some words of its title."""
    words = [word.strip("(),").lower() for word in item.ad.title.split()]
    words = [word for word in words if len(word) > 1] or [item.term]
    return " ".join(rng.sample(words, min(len(words), rng.randint(1, 4))))
