"""Where and how an answer places its ads: the sentence around each, the text before it, and structural figures.

Everything here is read off the answer as it was shown, so that a serving system has it too. The paper's reward model
may read the whole answer because it runs offline (arXiv 2512.10551, section 4.2).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.answers import parse_answer
from llm_auction.market import Ad
from llm_auction.pctr.encoders import STOP_WORDS, words

_MENTION = "\ufffc"
_BOUNDARY = re.compile(r"(?<=[.!?])\s+|\n+")
_MAX_COUNT = 6

STRUCTURE_FIELDS = (
    "position",
    "position share",
    "is first",
    "is last",
    "one ad",
    "two ads",
    "three ads",
    "four ads",
    "five ads or more",
    "log ads",
    "ads of the same category",
    "shares its category",
    "rank in its category",
    "first of its category",
    "ads in the sentence",
    "rank in the sentence",
    "log own words",
    "log own topical words",
    "fewer than three own words",
    "three to six own words",
    "sentence index",
    "sentence share",
    "starts the sentence",
    "ends the sentence",
    "log words since the previous ad",
    "log words before",
    "log words of the answer",
    "log words an ad",
    "share of sentences with ads",
    "format errors",
    "exclamation marks in the sentence",
    "exclamation marks in the answer",
    "capitals in the sentence",
    "asks in the sentence",
)


@dataclass(frozen=True, slots=True)
class Placement:
    """One ad in its answer: its own sentence and the text before that, mentions taken out, and the figures."""

    sentence: str
    before: str
    answer: str
    structure: np.ndarray


def placements(answer: str, shown: tuple[Ad, ...]) -> tuple[Placement, ...]:
    """The placement of each ad in `shown` (reading order) within its answer.

    An ad that the text does not hold is placed at the end, in a sentence of its own without words.
    """
    parsed = parse_answer(answer, shown)
    spans = {ad.ad_id: ad for ad in parsed.inserted_ads}
    pieces, offset = [], 0
    for inserted in parsed.inserted_ads:
        pieces.append(answer[offset : inserted.start].replace(_MENTION, " "))
        offset = inserted.end
    pieces.append(answer[offset:].replace(_MENTION, " "))
    found = [ad for ad in shown if ad.ad_id in spans]
    order = {ad.ad_id: index for index, ad in enumerate(sorted(found, key=lambda ad: spans[ad.ad_id].start))}
    layout = _Layout.of(pieces, len(shown), parsed.format_errors)
    categories = [ad.category for ad in shown]
    return tuple(layout.place(order.get(ad.ad_id), position, categories) for position, ad in enumerate(shown))


@dataclass(frozen=True, slots=True)
class _Layout:
    """An answer between its ads and in its sentences, with what is the same for all of its ads."""

    pieces: tuple[str, ...]
    sentences: tuple[str, ...]
    mentions: tuple[int, ...]
    answer: str
    n_words: int
    n_ads: int
    format_errors: int

    @classmethod
    def of(cls, pieces: Sequence[str], n_ads: int, format_errors: int) -> _Layout:
        sentences = tuple(part for part in _BOUNDARY.split(_MENTION.join(pieces)) if part and part.strip())
        mentions = tuple(sentence.count(_MENTION) for sentence in sentences)
        answer = " ".join(pieces)
        return cls(tuple(pieces), sentences, mentions, answer, len(words(answer)), n_ads, format_errors)

    def place(self, mention: int | None, position: int, categories: list[str]) -> Placement:
        index, rank, sentence = self._sentence_of(mention)
        before = " ".join(self.sentences[:index]).replace(_MENTION, " ")
        own = sentence.replace(_MENTION, " ")
        own_words = words(own)
        topical = sum(word not in STOP_WORDS for word in own_words)
        in_sentence = max(1, sentence.count(_MENTION))
        n_words, n_ads = self.n_words, self.n_ads
        category = categories[position]
        same = categories.count(category) if category else 1
        same_rank = categories[:position].count(category) if category else 0
        gap = self._words_since_previous(mention)
        with_ads = sum(count > 0 for count in self.mentions)
        parts = sentence.split(_MENTION)
        values = (
            position / _MAX_COUNT,
            position / max(1, n_ads - 1),
            position == 0,
            position == n_ads - 1,
            *(n_ads == count for count in (1, 2, 3, 4)),
            n_ads > 4,
            math.log(n_ads),
            min(same - 1, _MAX_COUNT) / 2,
            same > 1,
            min(same_rank, _MAX_COUNT) / 2,
            same_rank == 0,
            min(in_sentence - 1, _MAX_COUNT) / 2,
            min(rank, _MAX_COUNT) / 2,
            math.log1p(len(own_words)),
            math.log1p(topical),
            len(own_words) < 3,
            3 <= len(own_words) <= 6,
            min(index, _MAX_COUNT) / _MAX_COUNT,
            index / max(1, len(self.sentences) - 1),
            not parts[0].strip(),
            not parts[-1].strip(" .!?"),
            math.log1p(gap),
            math.log1p(len(words(before))),
            math.log1p(n_words),
            math.log1p(n_words / max(1, n_ads)),
            with_ads / max(1, len(self.sentences)),
            min(self.format_errors, 3),
            min(own.count("!"), 3),
            min(self.answer.count("!"), 3),
            sum(word.isupper() and len(word) > 1 for word in own.split()) / max(1, len(own_words)),
            "?" in own,
        )
        return Placement(own, before, self.answer, np.asarray(values, dtype=np.float32))

    def _sentence_of(self, mention: int | None) -> tuple[int, int, str]:
        """Index of the sentence that holds the mention, the mention's rank in it, and the sentence."""
        if mention is not None:
            rank = mention
            for index, count in enumerate(self.mentions):
                if rank < count:
                    return index, rank, self.sentences[index]
                rank -= count
        return len(self.sentences), 0, ""

    def _words_since_previous(self, mention: int | None) -> int:
        """Words between the previous mention, or the start, and this one."""
        if mention is None:
            return 0
        return len(words(self.pieces[mention]))
