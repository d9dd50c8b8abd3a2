"""RAG-Auction segment by segment: the answer's places are sold one after another (arXiv 2406.09459).

A segment is what the model writes up to the end of the sentence that links to the segment's winner, or one sentence
when it links to none; the last segment is the rest of the answer. Every segment is an auction of its own, with the
relevance of the ads to the query and to what is written so far (links taken out, or an ad would be relevant to itself),
and the model goes on from there with ONLY this segment's winner in its prompt. With replacement all ads compete again;
a second link to the same ad is a repetition, which counts as a format error. Without, winners leave.

Each auction is truthful by itself, given what is written before it. The model writes to its end every time and the rest
is thrown away: the cost counts all of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.generation.protocol import GeneratedAnswer, GenerationEngine, Messages, Progress, clock
from llm_auction.market import Auction
from llm_auction.mechanisms.ad_relevance import AdRelevance
from llm_auction.mechanisms.protocol import ClickEstimator, Outcome
from llm_auction.mechanisms.segment_auction import segment_auction
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed, generator

_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")


@dataclass(slots=True)
class _Draft:
    """One answer in the making: `won` are the prices by place of the ads that won so far, the newest counts; `charged`
    the price of each ad at its first link."""

    auction: Auction
    rng: np.random.Generator
    text: str = ""
    finished: bool = False
    won: dict[int, float] = field(default_factory=dict)
    charged: dict[str, float] = field(default_factory=dict)
    generations: int = 0
    tokens: int = 0
    answer_tokens: float = 0.0

    @property
    def shown(self) -> Auction:
        """The auction with only the ads that won a segment so far."""
        return self.auction.only(self.won)


class RagSegmentAuction:
    """RAG-Auction that sells the segments of an answer one by one.

    Args:
        engine: samples from the pretrained Ad-LLM; it must be able to go on from the beginning of an answer.
        relevance: q_i of the auction's candidates to the query and the text so far; must not depend on the bids.
        estimate_clicks: click probabilities for the expected bill.
        sampling: temperature, truncation, length of each generation.
        segments: auctions an answer.
        replacement: whether an ad that won a segment competes for the later ones.
        reserve: least price a click.
        template: the prompt's versioned template.
        on_progress: told (answers done, answers in all) of every segment.

    Raises:
        ValueError: `segments` < 1.
    """

    name = "rag_auction"

    def __init__(
        self,
        engine: GenerationEngine,
        relevance: AdRelevance,
        estimate_clicks: ClickEstimator,
        sampling: SamplingConfig,
        *,
        segments: int = 3,
        replacement: bool = False,
        reserve: float = 0.0,
        template: str = "ad_llm_v1",
        on_progress: Progress | None = None,
    ) -> None:
        if segments < 1:
            raise ValueError(f"RAG-Auction needs at least one segment, got {segments}")
        self._engine = engine
        self._relevance = relevance
        self._estimate_clicks = estimate_clicks
        self._sampling = sampling
        self._segments = segments
        self._replacement = replacement
        self._reserve = reserve
        self._template = template
        self._on_progress = on_progress

    def run(self, auctions: Sequence[Auction], seed: int) -> list[Outcome]:
        """One answer for each auction."""
        return [outcomes[0] for outcomes in self.repeat(auctions, 1, seed)]

    def repeat(self, auctions: Sequence[Auction], samples: int, seed: int) -> list[list[Outcome]]:
        """`samples` answers to each auction, each with its own noise, winners and text."""
        started = clock(self._engine)
        drafts = [
            _Draft(auction, generator(seed, "rag-segments", auction.query.query_id, sample))
            for auction in auctions
            for sample in range(samples)
        ]
        for number in range(self._segments):
            self._write_segment(drafts, number, seed)
        seconds = (clock(self._engine) - started) / max(1, len(drafts))
        clicks = self._estimate_clicks([draft.shown for draft in drafts], [draft.text for draft in drafts])
        outcomes = iter(
            Outcome(
                answer=draft.text,
                payments={ad_id: draft.charged[ad_id] * chance for ad_id, chance in probabilities.items()},
                generations=draft.generations,
                tokens=draft.tokens,
                answer_tokens=round(draft.answer_tokens),
                seconds=seconds,
            )
            for draft, probabilities in zip(drafts, clicks, strict=True)
        )
        return [[next(outcomes) for _ in range(samples)] for _ in auctions]

    def _write_segment(self, drafts: Sequence[_Draft], number: int, seed: int) -> None:
        unfinished = [draft for draft in drafts if not draft.finished]
        prompts = [self._prompt(draft, self._sell(draft)) for draft in unfinished]
        answers = self._engine.sample(
            prompts, 1, self._sampling, derive_seed(seed, "rag-segments", number), on_progress=self._on_progress
        )
        for draft, (answer,) in zip(unfinished, answers, strict=True):
            _append(draft, answer, last=number + 1 == self._segments)

    def _sell(self, draft: _Draft) -> Sequence[int]:
        """Auction the draft's next segment: its winner's place, or none."""
        auction, bids = draft.auction, np.asarray(draft.auction.bids, np.float64)
        if not self._replacement:
            bids[list(draft.won)] = 0.0
        relevance = np.asarray(self._relevance(auction, _without_links(draft)), np.float64)
        result = segment_auction(relevance, bids, 1, draft.rng, self._reserve)
        draft.won |= dict(zip(result.winners, result.prices, strict=True))
        return result.winners

    def _prompt(self, draft: _Draft, winners: Sequence[int]) -> Messages:
        """The prompt with the segment's winner alone, and the beginning of the answer that it goes on from."""
        messages = render_messages(draft.auction.only(winners), self._template, show_bids=False)
        return [*messages, {"role": "assistant", "content": draft.text}] if draft.text else messages


def _without_links(draft: _Draft) -> str:
    text = draft.text
    for ad in draft.shown.candidates:
        text = text.replace(render_insertion(ad), " ")
    return text


def _append(draft: _Draft, answer: GeneratedAnswer, *, last: bool) -> None:
    start, whole = len(draft.text), draft.text + answer.text
    end = len(whole) if last else _segment_end(draft, whole, start)
    draft.text = whole[:end]
    draft.finished = last or end == len(whole)
    draft.generations += 1
    draft.tokens += len(answer.token_ids)
    # A cut has no token count of its own: its tokens are shared out by characters.
    draft.answer_tokens += len(answer.token_ids) * ((end - start) / len(answer.text) if answer.text else 1.0)
    price_of = {draft.auction.candidates[place].ad_id: price for place, price in draft.won.items()}
    for ad_id in parse_answer(draft.text, draft.shown.candidates).ad_ids:
        draft.charged.setdefault(ad_id, price_of[ad_id])


def _segment_end(draft: _Draft, whole: str, start: int) -> int:
    """Where the sentence ends that holds the first link after `start`, or the first sentence when none does."""
    links = parse_answer(whole[start:], draft.shown.candidates).inserted_ads
    found = _SENTENCE_END.search(whole, start + links[0].end if links else start)
    return found.end() if found else len(whole)
