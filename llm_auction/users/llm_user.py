"""The paper's user: an LLM that judges every inserted ad (arXiv 2512.10551, section 5.1).

It gives clicks and reasons, no probabilities. What it does not judge in a usable form stays unjudged: such a click is
None, neither a click nor its absence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from llm_auction.answers import AD_ID_PREFIX, parse_answer
from llm_auction.market import Auction
from llm_auction.prompts.user_llm import click_judge_messages
from llm_auction.serving.structured import Missing, Question, Reply, StructuredModel
from llm_auction.users.protocol import Judgement

LONGEST_REASON = 300  # characters


class ClickVerdict(Reply):
    """What the model says about one link."""

    ad_id: str
    clicked: bool
    reason: str


class ClickVerdicts(Reply):
    """What it says about all links of an answer."""

    judgements: list[ClickVerdict]


class LlmUser:
    """A `UserModel` behind a server.

    Args:
        model: the User-LLM.
        template: the versioned template of the click judge.

    Attributes:
        shown_ads: inserted ads that it was asked about so far, repeated questions included.
        unjudged_ads: those of them on which it came to no usable verdict.
    """

    def __init__(self, model: StructuredModel, template: str = "click_judge_v1") -> None:
        self.model = model
        self._template = template
        self.shown_ads = self.unjudged_ads = 0
        self._reasons: Counter[str] = Counter()

    @property
    def commonest_reason(self) -> str | None:
        """Why most of the unjudged ads are so; None where all are judged."""
        return self._reasons.most_common(1)[0][0] if self._reasons else None

    def click_probabilities(self, auction: Auction, answer: str) -> None:
        """None: an LLM's click is drawn, its probability is not known."""
        return None

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        """See `UserModel.judge`. Many answers are judged faster by `judge_all`."""
        return self.judge_all([auction], [answer], [rng])[0]

    def judge_all(
        self, auctions: Sequence[Auction], answers: Sequence[str], rngs: Sequence[np.random.Generator]
    ) -> list[list[Judgement]]:
        """See `UserModel.judge_all`; an answer without ads asks nothing.

        Raises:
            ServerError: the server can't be used; what was judged stays in the cache.
        """
        asked: list[int] = []
        questions = []
        ids_of: list[tuple[str, ...]] = []
        for index, (auction, answer, rng) in enumerate(zip(auctions, answers, rngs, strict=True)):
            ids = parse_answer(answer, auction.candidates).ad_ids
            ids_of.append(ids)
            if ids:
                asked.append(index)
                questions.append(self._question(auction, answer, ids, int(rng.integers(2**31))))
        judgements: list[list[Judgement]] = [[] for _ in ids_of]
        replies = self.model.ask_all(questions)
        for index, verdicts in zip(asked, replies, strict=True):
            self.shown_ads += len(ids_of[index])
            if isinstance(verdicts, Missing):
                self.unjudged_ads += len(ids_of[index])
                self._reasons[verdicts.reason] += len(ids_of[index])
                reason = f"not judged: {verdicts.reason}"[:LONGEST_REASON]
                judgements[index] = [Judgement(ad_id, None, None, reason) for ad_id in ids_of[index]]
            else:
                judgements[index] = verdicts
        return judgements

    def _question(
        self, auction: Auction, answer: str, ids: Sequence[str], seed: int
    ) -> Question[ClickVerdicts, list[Judgement]]:
        ads = {ad.ad_id: ad for ad in auction.candidates}
        messages = click_judge_messages(auction, answer, [ads[ad_id] for ad_id in ids], self._template)
        return Question(messages, ClickVerdicts, lambda reply: read_verdicts(reply, ids), seed)


def read_verdicts(reply: ClickVerdicts, ad_ids: Sequence[str]) -> list[Judgement]:
    """One judgement for each inserted ad, in reading order.

    Raises:
        ValueError: an ad is not judged, judged twice, or was not inserted.
    """
    verdicts: dict[str, ClickVerdict] = {}
    for verdict in reply.judgements:
        ad_id = verdict.ad_id.removeprefix(AD_ID_PREFIX)
        if ad_id not in ad_ids:
            raise ValueError(f"{verdict.ad_id[:80]} is no link of the answer")
        if ad_id in verdicts:
            raise ValueError(f"{AD_ID_PREFIX}{ad_id} is judged twice")
        verdicts[ad_id] = verdict
    unjudged = [AD_ID_PREFIX + ad_id for ad_id in ad_ids if ad_id not in verdicts]
    if unjudged:
        raise ValueError(f"{', '.join(unjudged)} is not judged")
    return [Judgement(ad_id, verdicts[ad_id].clicked, None, _tidy(verdicts[ad_id].reason)) for ad_id in ad_ids]


def _tidy(reason: str) -> str:
    """A reason as one line that any table can hold."""
    return " ".join(reason.encode("utf-8", "replace").decode("utf-8").split())[:LONGEST_REASON]
