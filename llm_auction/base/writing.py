"""How the pretraining corpus writes: templated English answers that carry ads well, badly, or not at all.

The corpus is what a web-scale model has seen of advertising: many ads that grow out of the text, others dropped into
it, shouted, piled up, or written with a broken link. Preference optimisation later picks among these habits.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_OPENINGS = (
    "For {need}, {tip}.",
    "{Tip}.",
    "Good question. {Tip}.",
    "When it comes to {need}, {tip}.",
    "With {need} in mind, {tip}.",
    "A short answer: {tip}.",
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
_BROKEN_SHARE = 0.005
_SALESY = ("Buy now: {ad}!", "Sponsored: {ad}.", "Here is an ad for you: {ad}.", "Click here: {ad}!")


def write_answer(question: str, topic: Topic | None, chosen: Sequence[RandomAd], rng: Random) -> str:
    """One answer to a question about `topic` (None outside the bundled world) with the chosen ads woven in."""
    tips = list(topic.tips if topic else rng.sample(_GENERIC_TIPS, 2))
    rng.shuffle(tips)
    need = _subject(question, topic, rng)
    text = [rng.choice(_OPENINGS).format(need=need, tip=tips[0], Tip=tips[0][0].upper() + tips[0][1:])]
    if rng.random() < 0.4 and len(tips) > 1:
        text.append(rng.choice(_MORE_TIPS).format(tip=tips[1]))
    sentences = _ad_sentences(chosen, rng)
    if sentences and rng.random() < 0.15:
        text = [*sentences, *text]
    else:
        text += sentences
    if rng.random() < 0.2:
        text.append(rng.choice(_CLOSINGS))
    return " ".join(text)


def _subject(question: str, topic: Topic | None, rng: Random) -> str:
    """What the opening speaks of: the question's own words where it can, else something of the topic."""
    if topic is None:
        return question
    sayings = topic.needs + topic.products
    said = [saying for saying in sayings if saying in question]
    return rng.choice(said) if said and rng.random() < 0.7 else rng.choice(sayings)


def _ad_sentences(chosen: Sequence[RandomAd], rng: Random) -> list[str]:
    sentences: list[str] = []
    rest = list(chosen)
    while rest:
        item = rest.pop(0)
        style = rng.random()
        if style < 0.08 and rest:
            sentences.append(f"{_link(item, rng)} and {_link(rest.pop(0), rng)}.")
            continue
        if style < 0.72:
            form, term = rng.choice(_NATIVE), item.term
            if item.topic and rng.random() < 0.1:
                term = rng.choice(item.topic.needs + item.topic.products)
            sentences.append(form.format(term=term, ad=_link(item, rng)))
        elif style < 0.86:
            sentences.append(rng.choice(_GENERIC).format(ad=_link(item, rng)))
        elif style < 0.95:
            sentences.append(rng.choice(_BARE).format(ad=_link(item, rng)))
        else:
            sentences.append(rng.choice(_SALESY).format(ad=_link(item, rng)))
    return sentences


def _link(item: RandomAd, rng: Random) -> str:
    """The ad's link, now and then broken as a careless model would break it."""
    ad = item.ad
    if rng.random() > _BROKEN_SHARE:
        return render_insertion(ad)
    words = ad.title.split()
    return rng.choice(
        (
            f"@{' '.join(words[:-1]) or ad.title.lower()}@[{AD_ID_PREFIX}{ad.ad_id}]",
            f"{ad.title} [{AD_ID_PREFIX}{ad.ad_id}]",
            f"@{ad.title}@[{AD_ID_PREFIX}{rng.randint(1000, 9999)}]",
        )
    )
