"""MOSAIC's importance weights: candidates of another law lead to the same allocation as the reference's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.generation.protocol import GeneratedAnswer, Messages, Progress
from llm_auction.mechanisms import MosaicAuction, clicks_from_user
from llm_auction.objective import Penalty, reward
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.seeds import generator
from llm_auction.users import ParametricUser
from tests.llm_auction.mechanisms.fakes import ADS, SAMPLING, auctions

USER, PENALTY, TAU = ParametricUser(ADS), Penalty(), 20.0
UNTRUNCATED = SamplingConfig(temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=6)
TEXTS = (
    "Mind the mud.",
    *(f"On muddy trails many like to have {render_insertion(ad)} with them." for ad in ADS[:4]),
    f"Take {render_insertion(ADS[0])}. Or on muddy trails {render_insertion(ADS[1])}.",
)
REFERENCE = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
PROPOSAL = np.array([0.05, 0.1, 0.1, 0.25, 0.25, 0.25])


class Law:
    """Draws texts from a known law; its tokens name the text, so that it also knows their probabilities."""

    seconds_saved = 0.0

    def __init__(self, law: np.ndarray) -> None:
        self.law = law

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Progress | None = None,
    ) -> list[list[GeneratedAnswer]]:
        drawn = generator(seed).choice(len(TEXTS), (len(prompts), answers_per_prompt), p=self.law)
        return [
            [GeneratedAnswer(TEXTS[text], (int(text),), float(np.log(self.law[text])), True) for text in row]
            for row in drawn
        ]

    def log_probabilities(
        self, prompts: Sequence[Messages], answers: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[float]]:
        return [[float(np.log(self.law[tokens[0]])) for tokens in group] for group in answers]


def mosaic(engine: Law, reference: Law | None, candidates: int = 4000) -> MosaicAuction:
    return MosaicAuction(
        engine,
        clicks_from_user(USER),
        UNTRUNCATED,
        PENALTY,
        tau=TAU,
        candidates=candidates,
        open_reference=None if reference is None else lambda: reference,
    )


def shares(mechanism: MosaicAuction) -> np.ndarray:
    """Probability that each text is shown."""
    (proposal,) = mechanism.propose(auctions(1), seed=0)
    probabilities = proposal.allocate(TAU).probabilities
    drawn = np.array([answer.token_ids[0] for answer in proposal.answers])
    return np.array([probabilities[drawn == text].sum() for text in range(len(TEXTS))])


def test_weighted_candidates_tend_to_the_optimum_of_the_reference() -> None:
    """p(y) ~ pi_ref(y) exp(R(y) / tau), whatever law the candidates were drawn from."""
    (auction,) = auctions(1)
    rewards = np.array(
        [reward(auction, parse_answer(text, ADS), USER.click_probabilities(auction, text), PENALTY) for text in TEXTS]
    )
    optimum = REFERENCE * np.exp(rewards / TAU)
    optimum /= optimum.sum()
    np.testing.assert_allclose(shares(mosaic(Law(REFERENCE), None)), optimum, atol=0.03)
    np.testing.assert_allclose(shares(mosaic(Law(PROPOSAL), Law(REFERENCE))), optimum, atol=0.03)
    assert np.abs(shares(mosaic(Law(PROPOSAL), None)) - optimum).max() > 0.1  # what the weights are for


def test_the_same_law_has_no_weights() -> None:
    (proposal,) = mosaic(Law(REFERENCE), Law(REFERENCE), candidates=50).propose(auctions(1), seed=1)
    assert proposal.log_weights.tolist() == [0.0] * 50


def test_weights_of_a_real_engine_vanish_when_the_laws_coincide(tiny_model_dir: Path) -> None:
    from llm_auction.generation.transformers_engine import TransformersEngine

    engine = TransformersEngine(tiny_model_dir)
    mechanism = MosaicAuction(
        engine, clicks_from_user(USER), UNTRUNCATED, PENALTY, tau=TAU, candidates=4, open_reference=lambda: engine
    )
    for proposal in mechanism.propose(auctions(2), seed=2):
        np.testing.assert_allclose(proposal.log_weights, 0.0, atol=1e-3)


def test_weights_need_answers_drawn_without_truncation() -> None:
    with pytest.raises(ValueError, match="temperature 1, top_p 1 and top_k 0"):
        MosaicAuction(
            Law(PROPOSAL), clicks_from_user(USER), SAMPLING, PENALTY, tau=TAU, open_reference=lambda: Law(REFERENCE)
        )


def test_loading_the_reference_is_no_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)

    def load() -> Law:
        nonlocal now
        now += 100.0
        return Law(REFERENCE)

    mechanism = MosaicAuction(
        Law(PROPOSAL), clicks_from_user(USER), UNTRUNCATED, PENALTY, tau=TAU, candidates=4, open_reference=load
    )
    assert [proposal.seconds for proposal in mechanism.propose(auctions(2), seed=0)] == [0.0, 0.0]


def test_weights_need_the_engines_own_log_probabilities() -> None:
    class Silent(Law):
        def sample(self, *arguments: object, **settings: object) -> list[list[GeneratedAnswer]]:
            drawn = super().sample(*arguments, **settings)  # type: ignore[arg-type]
            return [[replace(answer, logprob=None) for answer in group] for group in drawn]

    with pytest.raises(ValueError, match="log-probabilities of the answers"):
        mosaic(Silent(PROPOSAL), Law(REFERENCE), candidates=3).propose(auctions(1), seed=0)
