"""The pretraining corpus: an endless, seeded stream of documents, each a prompt and several texts that may follow it.

A prompt is far longer than what follows it: a model that computes it once for several completions learns several times
as much in the same time.

Six kinds (`lists`, `authors`). *Copy* documents ask for the ads themselves in another order: they teach the in-context
copy circuit that everything else needs. *Look-up* documents list ads after their category, their bid or a need that
they serve: they teach to choose an ad by what its line says and means. *Advice* names the best ads for one subject
after the other. *Knowledge* documents have no ads at all, only questions and what they are about. *Task* documents ask
which ads fit, pay or earn most, as instruction data does. *Answer* documents are answers to users by authors of
different habits: the mixture that preference optimisation (Eq. 6) later sharpens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from llm_auction.base.authors import draw_author, opening_of
from llm_auction.base.lists import (
    BY_BID,
    BY_BOTH,
    BY_TERM,
    ON_SUBJECT,
    Completion,
    advised,
    copied,
    known,
    looked_up,
    ranked,
)
from llm_auction.base.scenes import WITHOUT_BIDS_SHARE, Scene, random_scene, scene_messages, term_for
from llm_auction.base.writing import write_answer
from llm_auction.prompts import Messages

_ANSWERS_A_PROMPT, _LISTS_A_PROMPT = 6, 3


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
    advice_share: float = 0.0
    knowledge_share: float = 0.0


def document(mix: Mix, rng: Random) -> Document:
    """The next document of a stage."""
    scene = random_scene(rng.choice(mix.candidates), rng.random() < mix.foreign_share, rng)
    shares = (mix.copy_share, mix.task_share, mix.lookup_share, mix.advice_share, mix.knowledge_share)
    kind = rng.choices(("copy", "task", "lookup", "advice", "knowledge", "answer"), (*shares, 1 - sum(shares)))[0]
    if kind == "copy":
        messages = scene_messages(scene, "Repeat the ads in another order.", show_bids=_bids_shown(rng))
        return _document(messages, [copied(scene, rng) for _ in range(_LISTS_A_PROMPT)])
    if kind == "task":
        return _task(scene, mix, rng)
    if kind == "lookup":
        messages = scene_messages(scene, "Which ad is for what?", show_bids=True)
        return _document(messages, [looked_up(scene, mix.lookups, rng) for _ in range(_LISTS_A_PROMPT)])
    if kind == "advice":
        messages = scene_messages(scene, "Which ad is best for what?", show_bids=True)
        return _document(messages, [advised(scene, rng) for _ in range(_LISTS_A_PROMPT)])
    if kind == "knowledge":
        messages = scene_messages(scene, None, show_bids=True, show_ads=False)
        return _document(messages, [known(scene, rng) for _ in range(_LISTS_A_PROMPT)])
    return _answer(scene, rng)


def _task(scene: Scene, mix: Mix, rng: Random) -> Document:
    bids = scene.auction.bids
    question = scene.auction.query.text
    by_bid, by_fit = mix.task_shares
    task = rng.random()
    beginning = ON_SUBJECT.format(subject=scene.subject)
    if task < by_bid:
        asked, scores, counts = "List ads by bid, the highest first.", tuple(map(float, bids)), (2, 8)
        beginning = ""
    elif task < by_bid + by_fit:
        asked, counts = f"{question} Which ads fit best?", (2, 8) if mix.whole_lists else (1, 4)
        scores = tuple(fit + bid / 1000 for fit, bid in zip(scene.relevance, bids, strict=True))
    else:
        asked, counts = f"{question} Which ads earn most?", (2, 8) if mix.whole_lists else (1, 5)
        scores = scene.worth
    lists = [ranked(scene, scores, counts, beginning, rng) for _ in range(_LISTS_A_PROMPT)]
    return _document(scene_messages(scene, asked, show_bids=True), lists)


def _answer(scene: Scene, rng: Random) -> Document:
    show_bids = _bids_shown(rng)
    answers = [_answered(scene, show_bids, rng) for _ in range(_ANSWERS_A_PROMPT)]
    return _document(scene_messages(scene, None, show_bids=show_bids), answers)


def _answered(scene: Scene, show_bids: bool, rng: Random) -> Completion:
    author = draw_author(rng)
    chosen = [scene.ads[i] for i in author.choose(scene, show_bids, rng)]
    named = [replace(item, term=term_for(scene, item)) for item in chosen]
    opening = opening_of(author, rng)
    return Completion(write_answer(scene.auction.query.text, scene.topic, named, opening, author.style, rng))


def _bids_shown(rng: Random) -> bool:
    return rng.random() > WITHOUT_BIDS_SHARE


def _document(messages: Messages, completions: Sequence[Completion]) -> Document:
    return Document(messages, tuple(dict.fromkeys(completions)))
