"""The inserted-ad format `@Title@[Ad-id]`: the one place that renders it and the one parser that reads it.

Simulated and real answers go through `parse_answer` alike. An insertion counts only when title and id match one
candidate to the letter (arXiv 2512.10551, section 5.1); everything else that looks like an attempt is a format error,
which is penalised (`llm_auction.objective`) and can't be clicked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from llm_auction.chat_markers import MARKER
from llm_auction.market import Ad

AD_ID_PREFIX = "Ad-"

# What can't be written inside `@...@[...]` without breaking the format, and chat markers: broken up in the prompt, a
# title could not be copied to the letter.
FORBIDDEN_IN_TITLE = re.compile(rf"{MARKER.pattern}|[@\[\]\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")

_INSERTION = re.compile(r"@(?P<title>[^@\[\]\n]+)@\[" + AD_ID_PREFIX + r"(?P<id>[^@\[\]\s]+)\]")
# Left-overs of an attempt, once the well-formed insertions are taken out: an `@` that opens a title (an `@` inside a
# word, as in an e-mail address, is ordinary text) up to the id it may still reach, an id without a title, or `@[`.
_ATTEMPT = re.compile(
    rf"(?<!\w)@\w[^@\[\]\n]*(?:@?\[\s*{AD_ID_PREFIX})?|\[\s*{AD_ID_PREFIX}|\w@\[",
    re.IGNORECASE,
)
# A text with none of them holds no insertion and no attempt at one, which is quickly seen.
ATTEMPT_MARKS = ("@", "[")


@dataclass(frozen=True, slots=True)
class InsertedAd:
    """A well-formed insertion of a candidate ad: its id and the characters `[start, end)` it takes in the answer."""

    ad_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What the parser found in an answer.

    `inserted_ads` in reading order, each ad once; `format_errors` counts the attempts that match no candidate, plus
    the repeated insertions of an ad already inserted, which `repetitions` counts alone. `text` is the answer itself,
    empty for one that is only thought of.
    """

    inserted_ads: tuple[InsertedAd, ...]
    format_errors: int
    repetitions: int = 0
    text: str = field(default="", compare=False)

    @property
    def ad_ids(self) -> tuple[str, ...]:
        return tuple(ad.ad_id for ad in self.inserted_ads)


def render_insertion(ad: Ad) -> str:
    """The text under which an answer links to `ad`: `@Title@[Ad-id]`."""
    return f"@{ad.title}@[{AD_ID_PREFIX}{ad.ad_id}]"


def parse_answer(answer: str, candidates: Iterable[Ad]) -> ParsedAnswer:
    """Find the inserted ads of an answer and count its format errors.

    Args:
        answer: the text as the model wrote it; untrusted.
        candidates: the ads that the model was allowed to insert; one that has had several titles comes once for each.
    """
    shown = {(ad.ad_id, ad.title) for ad in candidates}
    inserted: dict[str, InsertedAd] = {}
    repetitions = unmatched = 0
    for match in _INSERTION.finditer(answer):
        ad_id = match["id"]
        if (ad_id, match["title"]) not in shown:
            unmatched += 1
        elif ad_id in inserted:
            repetitions += 1
        else:
            inserted[ad_id] = InsertedAd(ad_id, match.start(), match.end())
    remainder = _INSERTION.sub(" ", answer)
    if any(mark in remainder for mark in ATTEMPT_MARKS):
        unmatched += len(_ATTEMPT.findall(remainder))
    return ParsedAnswer(tuple(inserted.values()), unmatched + repetitions, repetitions, answer)


def readable(answer: str) -> str:
    """The answer as a person reads it: whatever is written in the ad format stands there by its title."""
    return _INSERTION.sub(lambda match: match["title"], answer)


def inserted_title(answer: str, ad_id: str) -> str | None:
    """The title under which an answer inserts an ad that the catalog may not hold any more; None if it does not."""
    return next((match["title"] for match in _INSERTION.finditer(answer) if match["id"] == ad_id), None)
