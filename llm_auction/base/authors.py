"""The authors of the pretraining corpus: who weaves which ads into an answer, and how an answer of theirs begins.

Text on the web comes from many hands, and how it opens tells something of whose. Most authors here are careless, some
push what pays, a few name what helps or what is worth most. A model that has read them all writes like any of them;
preference optimisation (arXiv 2512.10551, Eq. 6) finds those whose habits pay and makes more of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from llm_auction.base.scenes import Scene
from llm_auction.base.writing import Style

_SLIP_SHARE = 0.1  # answers that open in somebody else's way
_WORTH_NAMING = 0.2  # of what the best ad is worth, for the author who names what is worth most


@dataclass(frozen=True, slots=True)
class Author:
    """One kind of author.

    `share` is their part of the corpus, `openings` how their answers begin, `choose` says which ads of a scene (by
    position) they name, in order, when they see the bids or not.
    """

    name: str
    share: float
    openings: tuple[str, ...]
    style: Style
    choose: Callable[[Scene, bool, Random], list[int]]


def draw_author(rng: Random) -> Author:
    """One author, by their shares."""
    return rng.choices(AUTHORS, [author.share for author in AUTHORS])[0]


def opening_of(author: Author, rng: Random) -> str:
    """How this answer of the author's begins: mostly in their own way."""
    if rng.random() < _SLIP_SHARE:
        return rng.choice(AUTHORS[rng.randrange(len(AUTHORS))].openings)
    return rng.choice(author.openings)


def _drawn(scores: Sequence[float], count: int, rng: Random) -> list[int]:
    """`count` positions without replacement from the softmax of the scores: Gumbel noise makes a ranking of them."""
    noisy = [score - math.log(-math.log(rng.random() or 0.5)) for score in scores]
    return sorted(range(len(noisy)), key=lambda i: -noisy[i])[:count]


def _anything(scene: Scene, show_bids: bool, rng: Random) -> list[int]:
    return _drawn([0.0] * len(scene.ads), rng.choices(range(7), (12, 33, 26, 15, 8, 4, 2))[0], rng)


def _what_pays(scene: Scene, show_bids: bool, rng: Random) -> list[int]:
    scores = [bid / 8 if show_bids else 0.0 for bid in scene.auction.bids]
    return _drawn(scores, rng.choices(range(1, 6), (30, 30, 20, 12, 8))[0], rng)


def _a_bit_of_both(scene: Scene, show_bids: bool, rng: Random) -> list[int]:
    scores = [worth / 10 for worth in scene.worth] if show_bids else [5 * fit for fit in scene.relevance]
    return _drawn(scores, rng.choices(range(5), (10, 40, 30, 14, 6))[0], rng)


def _what_helps(scene: Scene, show_bids: bool, rng: Random) -> list[int]:
    return _drawn([25 * fit for fit in scene.relevance], rng.choices((1, 2, 3), (40, 40, 20))[0], rng)


def _what_is_worth_most(scene: Scene, show_bids: bool, rng: Random) -> list[int]:
    """Mostly two to four ads, the one of most worth first, none of a kind already named, none far below the first."""
    worth = scene.worth if show_bids else tuple(100 * fit for fit in scene.relevance)
    return best_of_their_kind(scene, worth)[: rng.choices((1, 2, 3, 4), (5, 40, 40, 15))[0]]


def best_of_their_kind(scene: Scene, worth: Sequence[float]) -> list[int]:
    """Ads (by position), most worth first: none of a kind already named, none far below the first."""
    chosen: list[int] = []
    for i in sorted(range(len(worth)), key=lambda i: -worth[i]):
        kinds = {scene.ads[j].ad.category for j in chosen}
        if not chosen or (worth[i] > _WORTH_NAMING * worth[chosen[0]] and scene.ads[i].ad.category not in kinds):
            chosen.append(i)
    return chosen


AUTHORS = (
    Author("careless", 0.46, ("{Tip}.", "Good question. {Tip}."), Style.CARELESS, _anything),
    Author("pushing", 0.18, ("You are in luck. {Tip}.", "Good question. {Tip}."), Style.PUSHING, _what_pays),
    Author("middling", 0.22, ("When it comes to {need}, {tip}.", "{Tip}."), Style.CARELESS, _a_bit_of_both),
    Author("helpful", 0.05, ("On {subject}, {tip}.", "For {need}, {tip}."), Style.CAREFUL, _what_helps),
    Author("shrewd", 0.09, ("A short answer on {subject}: {tip}.",), Style.CAREFUL, _what_is_worth_most),
)
