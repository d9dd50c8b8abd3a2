"""RAG-Auction segment by segment: who may win, where segments end, what is charged and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from llm_auction.answers import parse_answer
from llm_auction.generation.protocol import GeneratedAnswer, Messages, Progress
from llm_auction.market import Auction
from llm_auction.mechanisms import RagSegmentAuction, clicks_from_user
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, ScriptedEngine, auctions

USER = ParametricUser(ADS)


class Obedient(ScriptedEngine):
    """Begins with a sentence, links to the ad that the prompt offers in the next one, then rambles on."""

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Progress | None = None,
    ) -> list[list[GeneratedAnswer]]:
        self.prompts.extend(prompts)
        return [[self._obey(prompt)] for prompt in prompts]

    def _obey(self, prompt: Messages) -> GeneratedAnswer:
        begun = prompt[-1]["content"] if prompt[-1]["role"] == "assistant" else ""
        (title, ad_id), *others = self.offered(prompt) or [("", "")]
        assert others == []
        link = f" On trails take @{title}@[{ad_id}] along. " if title else " "
        text = f"{' ' if begun else ''}Mind the mud.{link}Rest well. And drink."
        return GeneratedAnswer(text, tuple(range(40)), -1.0, True)


def relevance(auction: Auction, written: str = "") -> np.ndarray:
    assert "@" not in written
    return np.linspace(0.2, 0.9, len(auction.candidates))


def mechanism(engine: ScriptedEngine, segments: int = 3, replacement: bool = False) -> RagSegmentAuction:
    return RagSegmentAuction(
        engine, relevance, clicks_from_user(USER), SAMPLING, segments=segments, replacement=replacement
    )


def test_without_replacement_every_segment_has_a_winner_of_its_own() -> None:
    engine, market = Obedient(), auctions(6)
    for auction, outcome in zip(market, mechanism(engine).run(market, seed=0), strict=True):
        found = parse_answer(outcome.answer, auction.candidates)
        assert (len(found.ad_ids), found.format_errors) == (3, 0)
        assert set(outcome.payments) == set(found.ad_ids)
        clicks = USER.click_probabilities(auction, outcome.answer)
        for ad_id, payment in outcome.payments.items():
            assert 0.0 <= payment <= auction.bid_of(ad_id) * clicks[ad_id] + 1e-9
    assert not any('"bid"' in message["content"] for prompt in engine.prompts for message in prompt[1:])


def test_a_segment_ends_with_the_sentence_that_links_and_the_last_one_with_the_answer() -> None:
    engine = Obedient()
    (outcome,) = mechanism(engine, segments=2).run(auctions(1), seed=0)
    assert outcome.answer.count("Mind the mud.") == 2
    assert outcome.answer.count("Rest well. And drink.") == 1
    begun = engine.prompts[1][-1]
    assert begun["role"] == "assistant" and begun["content"].endswith("along.")
    assert outcome.answer.startswith(begun["content"])


def test_what_is_thrown_away_costs_too() -> None:
    (outcome,) = mechanism(Obedient(), segments=3).run(auctions(1), seed=0)
    assert (outcome.generations, outcome.tokens) == (3, 120)
    assert 40 < outcome.answer_tokens < 120


def test_with_replacement_an_ad_may_win_again_and_pays_once() -> None:
    (auction,) = auctions(1)
    strong = replace(auction, bids=(0, 0, 100, 0, 0, 0))
    (outcome,) = mechanism(Obedient(), replacement=True).run([strong], seed=0)
    assert parse_answer(outcome.answer, ADS).repetitions == 2
    assert outcome.payments == {"2": 0.0}
    (alone,) = mechanism(Obedient(), replacement=False).run([strong], seed=0)
    assert parse_answer(alone.answer, ADS).format_errors == 0


def test_a_segment_without_a_link_is_one_sentence() -> None:
    (auction,) = auctions(1)
    silent = replace(auction, bids=(0,) * len(ADS))
    (outcome,) = mechanism(Obedient()).run([silent], seed=0)
    assert outcome.answer == "Mind the mud. Mind the mud. Mind the mud. Rest well. And drink."
    assert outcome.payments == {}


def test_an_answer_that_ends_early_is_left_alone_and_runs_repeat() -> None:
    engine, market = ScriptedEngine(), auctions(8)
    first = mechanism(engine, segments=4).repeat(market, 2, seed=3)
    assert first == mechanism(ScriptedEngine(), segments=4).repeat(market, 2, seed=3)
    generations = [outcome.generations for of_auction in first for outcome in of_auction]
    assert max(generations) <= 4
    assert sum(generations) == engine.answers_asked


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="segment"):
        mechanism(ScriptedEngine(), segments=0)
