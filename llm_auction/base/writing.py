"""How the pretraining corpus writes: templated English answers that carry ads well, badly, or not at all.

The corpus is what a web-scale model has seen of advertising: many ads that grow out of the text, others dropped into
it, shouted, piled up, or written with a broken link. Preference optimisation later picks among these habits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from llm_auction.answers import AD_ID_PREFIX, render_insertion
from llm_auction.base.catalogs import RandomAd
from llm_auction.world.topics import Topic

_GENERIC_TIPS = (
    "compare a few options first",
    "check the size before you buy",
    "read what other people say about it",
    "start with a simple model",
    "ask how long the warranty lasts",
    "measure twice and order once",
    "look at the price per piece",
    "make sure that the parts fit",
)
_MORE_TIPS = ("Also, {tip}.", "And {tip}.", "Besides that, {tip}.", "One more thing: {tip}.")
_CLOSINGS = ("Hope that helps.", "Good luck.", "Enjoy it.", "Let me know how it goes.")
_NATIVE = (
    "For {term}, {ad} is a solid choice.",
    "If you think about {term}, {ad} is worth a look.",
    "When you need {term}, I would try {ad}.",
    "People who care about {term} often pick {ad}.",
    "To get {term} right, {ad} can help a lot.",
    "As for {term}, {ad} does the job well.",
)
_GENERIC = ("You may also like {ad}.", "There is also {ad}.", "Take a look at {ad}.", "Maybe {ad}.")
_BARE = ("{ad}.", "{ad}!")
_SALESY = ("Buy now: {ad}!", "Sponsored: {ad}.", "Here is an ad for you: {ad}.", "Click here: {ad}!")


@dataclass(frozen=True, slots=True)
class _Manners:
    """Shares of the ways to name an ad (two in one sentence, woven in, mentioned, bare, the rest shouted), of answers
    that put the ads before the help, and of broken links."""

    crowded: float
    native: float
    generic: float
    bare: float
    ads_first: float
    broken: float


class Style(Enum):
    """How an author writes."""

    CARELESS = _Manners(crowded=0.10, native=0.55, generic=0.18, bare=0.12, ads_first=0.20, broken=0.01)
    PUSHING = _Manners(crowded=0.08, native=0.30, generic=0.20, bare=0.12, ads_first=0.35, broken=0.005)
    CAREFUL = _Manners(crowded=0.0, native=0.95, generic=0.05, bare=0.0, ads_first=0.02, broken=0.0)


def write_answer(
    question: str, topic: Topic | None, chosen: Sequence[RandomAd], opening: str, style: Style, rng: Random
) -> str:
    """One answer to a question about `topic` (None outside the bundled world) with the chosen ads woven in.

    `opening` is the form of the first sentence, with `{subject}`, `{need}`, `{tip}` or `{Tip}` (capitalised).
    """
    tips = list(topic.tips if topic else rng.sample(_GENERIC_TIPS, 2))
    rng.shuffle(tips)
    need = _subject(question, topic, rng)
    subject = topic.name if topic else question
    text = [opening.format(subject=subject, need=need, tip=tips[0], Tip=tips[0][0].upper() + tips[0][1:])]
    if rng.random() < 0.3 and len(tips) > 1:
        text.append(rng.choice(_MORE_TIPS).format(tip=tips[1]))
    sentences = _ad_sentences(chosen, style.value, rng)
    text = [*sentences, *text] if sentences and rng.random() < style.value.ads_first else [*text, *sentences]
    if rng.random() < 0.15:
        text.append(rng.choice(_CLOSINGS))
    return " ".join(text)


def _subject(question: str, topic: Topic | None, rng: Random) -> str:
    """What the opening speaks of: the question's own words where it can, else something of the topic."""
    if topic is None:
        return question
    sayings = topic.needs + topic.products
    said = [saying for saying in sayings if saying in question]
    return rng.choice(said) if said and rng.random() < 0.8 else rng.choice(sayings)


def _ad_sentences(chosen: Sequence[RandomAd], manners: _Manners, rng: Random) -> list[str]:
    sentences: list[str] = []
    rest = list(chosen)
    while rest:
        item = rest.pop(0)
        link = _link(item, manners, rng)
        if rest and rng.random() < manners.crowded:
            sentences.append(f"{link} and {_link(rest.pop(0), manners, rng)}.")
            continue
        weights = (manners.native, manners.generic, manners.bare)
        forms = rng.choices((_NATIVE, _GENERIC, _BARE, _SALESY), (*weights, max(0.0, 1 - sum(weights))))[0]
        term = item.term
        if item.topic and rng.random() < 0.05:
            term = rng.choice(item.topic.needs + item.topic.products)
        sentences.append(rng.choice(forms).format(term=term, ad=link))
    return sentences


def _link(item: RandomAd, manners: _Manners, rng: Random) -> str:
    """The ad's link, now and then broken as a careless author would break it."""
    ad = item.ad
    if rng.random() >= manners.broken:
        return render_insertion(ad)
    words = ad.title.split()
    return rng.choice(
        (
            f"@{' '.join(words[:-1]) or ad.title.lower()}@[{AD_ID_PREFIX}{ad.ad_id}]",
            f"{ad.title} [{AD_ID_PREFIX}{ad.ad_id}]",
            f"@{ad.title}@[{AD_ID_PREFIX}{rng.randint(1000, 9999)}]",
        )
    )
