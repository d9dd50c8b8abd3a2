"""A scripted policy: answers from sentence forms, in microseconds, with exact log-probabilities.

It stands in for an Ad-LLM where a log of millions of answers is wanted, or where the probability of every answer must
be known (off-policy estimates). It draws, in this order:

    the opening               uniform over OPENINGS
    the number of ads         by `ads` (cut to the number of candidates and renormalised)
    the ads, one by one       without replacement, by exp(relevance_weight * relevance + bid_weight * bid / 100)
    the form of each          uniform over FORMS
    whether its link breaks   with chance `broken_link`
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from llm_auction.answers import AD_ID_PREFIX, render_insertion
from llm_auction.market import Ad, Auction
from llm_auction.seeds import generator
from llm_auction.traffic.policies import LoggedAnswer

OPENINGS = (
    "Compare a few options before you decide.",
    "A simple one will do to begin with.",
    "Ask how long the warranty lasts.",
    "Good question, it depends on how often you use it.",
)
# The first three grow out of the text, the last two are dropped into it: answers differ in nativeness.
FORMS = (
    "For {topic}, {ad} is a solid choice.",
    "People who care about {topic} often pick {ad}.",
    "If you think about {topic}, {ad} is worth a look.",
    "Take a look at {ad}.",
    "{ad}!",
)


@dataclass(frozen=True, slots=True)
class ScriptedParameters:
    """What the policy prefers.

    Attributes:
        relevance_weight: logit of an ad of relevance 1 over one of relevance 0.
        bid_weight: logit of a bid of 100 over a bid of 0.
        ads: chances of 0, 1, 2, ... ads in an answer.
        broken_link: chance that the link of an ad is a format error.

    Raises:
        ValueError: chances that are none.
    """

    relevance_weight: float = 4.0
    bid_weight: float = 2.0
    ads: tuple[float, ...] = (0.1, 0.5, 0.3, 0.1)
    broken_link: float = 0.02

    def __post_init__(self) -> None:
        if min(self.ads, default=-1.0) < 0.0 or not math.isclose(sum(self.ads), 1.0):
            raise ValueError(f"scripted policy: ads must be chances that sum to 1, got {self.ads}")
        if not 0.0 <= self.broken_link < 1.0:
            raise ValueError(f"scripted policy: broken_link must lie in [0, 1), got {self.broken_link}")


class ScriptedPolicy:
    """A `Policy` whose distribution is known.

    Args:
        relevance: by query id, the relevance of its candidates in their order (`llm_auction.candidates`).
        parameters: what it prefers.
    """

    sampling: Mapping[str, float | int] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}

    def __init__(self, relevance: Mapping[str, Sequence[float]], parameters: ScriptedParameters | None = None) -> None:
        self.parameters = parameters or ScriptedParameters()
        self.version = f"scripted-{_digest((OPENINGS, FORMS, astuple(self.parameters)))}"
        self._relevance = relevance

    def answer(self, auctions: Sequence[Auction], seed: int) -> list[LoggedAnswer]:
        rng = generator(seed, "scripted")
        return [self._draw(auction, rng) for auction in auctions]

    def log_probability(self, auction: Auction, text: str) -> float:
        """log pi(text), in nats, over everything that the policy can write; -inf for what it can't."""
        weights = dict(zip(auction.candidates, self._weights(auction), strict=True))
        counts = self._counts(auction)

        def rest_of(rest: str, left: dict[Ad, float], shown: int) -> float:
            """The chance to write `rest` after `shown` ads, the number of ads included."""
            chance = counts[shown] if not rest else 0.0
            if not rest or shown + 1 >= len(counts):
                return chance
            total = sum(left.values())
            for ad, weight in left.items():
                for sentence, of_sentence in self._sentences(ad):
                    if rest.startswith(f" {sentence}"):
                        after = {other: value for other, value in left.items() if other is not ad}
                        chance += weight / total * of_sentence * rest_of(rest[len(sentence) + 1 :], after, shown + 1)
            return chance

        chance = sum(
            rest_of(text[len(opening) :], weights, 0) / len(OPENINGS)
            for opening in OPENINGS
            if text.startswith(opening)
        )
        return math.log(chance) if chance > 0.0 else -math.inf

    def _draw(self, auction: Auction, rng: np.random.Generator) -> LoggedAnswer:
        counts = self._counts(auction)
        weights = self._weights(auction)
        uniforms = rng.random(2 + 3 * (len(counts) - 1)).tolist()
        text = OPENINGS[int(uniforms[0] * len(OPENINGS))]
        number = _choose(counts, uniforms[1])
        logprob = math.log(counts[number] / len(OPENINGS))
        left = list(zip(auction.candidates, weights, strict=True))
        for place in range(number):
            which, form, breaks = uniforms[2 + 3 * place : 5 + 3 * place]
            total = sum(weight for _, weight in left)
            index = _choose([weight / total for _, weight in left], which)
            ad, weight = left.pop(index)
            broken = breaks < self.parameters.broken_link
            text += f" {_sentence(FORMS[int(form * len(FORMS))], ad, broken)}"
            chance = self.parameters.broken_link if broken else 1.0 - self.parameters.broken_link
            logprob += math.log(weight / total * chance / len(FORMS))
        return LoggedAnswer(text, logprob)

    def _counts(self, auction: Auction) -> list[float]:
        """The chance of each number of ads."""
        possible = self.parameters.ads[: len(auction.candidates) + 1]
        return [chance / sum(possible) for chance in possible]

    def _weights(self, auction: Auction) -> list[float]:
        relevance = self._relevance[auction.query.query_id]
        return [
            math.exp(self.parameters.relevance_weight * near + self.parameters.bid_weight * bid / 100.0)
            for near, bid in zip(relevance, auction.bids, strict=True)
        ]

    def _sentences(self, ad: Ad) -> list[tuple[str, float]]:
        """Every sentence about an ad and its chance."""
        sound = 1.0 - self.parameters.broken_link
        return [
            (_sentence(form, ad, broken), (1.0 - sound if broken else sound) / len(FORMS))
            for form in FORMS
            for broken in (False, True)
        ]


def _sentence(form: str, ad: Ad, broken: bool) -> str:
    link = f"{ad.title} [{AD_ID_PREFIX}{ad.ad_id}]" if broken else render_insertion(ad)
    # Not by str.format: a category may hold braces.
    return form.replace("{topic}", ad.category or "this").replace("{ad}", link)


def _choose(chances: Sequence[float], uniform: float) -> int:
    """The index in whose interval of the cumulative distribution `uniform` lies."""
    reached = 0.0
    for index, chance in enumerate(chances):
        reached += chance
        if uniform < reached:
            return index
    return max(index for index, chance in enumerate(chances) if chance > 0.0)


def _digest(content: object) -> str:
    return hashlib.blake2b(repr(content).encode(), digest_size=4).hexdigest()
