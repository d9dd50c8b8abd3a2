"""Reading an answer: its sentences around the inserted ads, and the stems of what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from llm_auction.answers import ParsedAnswer

# Stands for an inserted ad while sentences are split: one character that is neither a word nor punctuation.
_MASK = "\ue000"
_INSERTION_LIKE = re.compile(r"@[^@\[\]\n]+@\[[^\[\]\n]*\]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_SUFFIXES = ("ings", "ing", "ies", "ers", "ed", "es", "er", "ly", "s", "y")
_SHORTEST_STEM = 3
_SHORTEST_CONTENT_WORD = 3
_FUNCTION_WORDS_TEXT = """
    the and for with you your can could would should will may might must not are was were been being has have had does
    did doing this that these those from into onto over under out about than then too very also some any each every all
    both few more most other such only own same its it's his her hers him she they them their our ours who whom which
    what when where why how there here just let lets get got make makes made one two like need needs want wants good
    best great well try consider option options look looking really much many way ways thing things help helps please
    think take use using first before after while during because but nor yet
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())


@dataclass(frozen=True, slots=True)
class MaskedAnswer:
    """An answer cut into sentences, with its inserted ads taken out.

    `sentences[k]` is text without any ad; `places[i]` is the sentence of inserted ad i, and `words_before[i]` counts
    the words of the answer in front of it.
    """

    sentences: tuple[str, ...]
    places: tuple[int, ...]
    words_before: tuple[int, ...]


def mask_answer(answer: str, parsed: ParsedAnswer) -> MaskedAnswer:
    """Cut an answer into sentences around its inserted ads.

    Insertions are masked before the cut, so a full stop in a title ends no sentence; failed insertions are taken out
    too, since naming an ad is not text of one's own.
    """
    pieces: list[str] = []
    position = 0
    for ad in parsed.inserted_ads:
        pieces.append(_INSERTION_LIKE.sub(" ", answer[position : ad.start]).replace(_MASK, " "))
        position = ad.end
    pieces.append(_INSERTION_LIKE.sub(" ", answer[position:]).replace(_MASK, " "))

    sentences: list[str] = []
    places: list[int] = []
    words_before: list[int] = []
    words = 0
    for sentence in _SENTENCE_END.split(_MASK.join(pieces)):
        if not sentence.strip():
            continue
        parts = sentence.split(_MASK)
        for number, part in enumerate(parts):
            words += len(_WORD.findall(part))
            if number < len(parts) - 1:
                places.append(len(sentences))
                words_before.append(words)
        sentences.append(" ".join(parts))
    return MaskedAnswer(tuple(sentences), tuple(places), tuple(words_before))


@lru_cache(maxsize=16_384)
def content_stems(text: str) -> frozenset[str]:
    """The stems of a text's content words: function words and words of one or two letters left out."""
    return frozenset(
        _stem(word)
        for word in distinct_words(text)
        if len(word) >= _SHORTEST_CONTENT_WORD and word not in _FUNCTION_WORDS
    )


def distinct_words(text: str) -> frozenset[str]:
    """The words of a text, without regard to case."""
    return frozenset(_WORD.findall(text.casefold()))


def _stem(word: str) -> str:
    """A word without its commonest English ending: crude, but "hiking", "hikes" and "hike" meet, and so on."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            word = word.removesuffix(suffix)
            break
    if len(word) > _SHORTEST_STEM and (word[-1] == "e" or word[-1] == word[-2]):
        word = word[:-1]
    return word
