"""What the embedded model must be able to do: measured on catalogs that it has never seen.

The figures go into the model's card. *Valid share*: of all insertions that the model attempts, those that match a
candidate to the letter, whether for the first time in the answer or again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from llm_auction.answers import parse_answer
from llm_auction.base.scenes import random_scene
from llm_auction.generation.protocol import GenerationEngine
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Figures for prompts of `candidates` ads, from one answer to each of `prompts` prompts.

    `valid_share` and `repeated_share` are shares of the attempted insertions, in [0, 1]; a repeated one names an ad
    that the answer has named before. `ads_per_answer` counts distinct ads; `bid_lift` and `relevance_lift` are the mean
    bid (currency units) and relevance (0 to 1) of inserted ads minus those of all candidates: above 0 the model reads
    them.
    """

    candidates: int
    foreign: bool
    prompts: int
    valid_share: float
    repeated_share: float
    ads_per_answer: float
    unfinished_share: float
    bid_lift: float
    relevance_lift: float


def measure(
    engine: GenerationEngine, candidates: int, *, foreign: bool, prompts: int, seed: int, sampling: SamplingConfig
) -> Acceptance:
    """Sample one answer to each of `prompts` random auctions over unseen catalogs.

    `foreign` takes titles as real feeds have them instead of the bundled world's kind.
    """
    rng = Random(derive_seed(seed, "acceptance", candidates, int(foreign)))
    scenes = [random_scene(candidates, foreign, rng) for _ in range(prompts)]
    answers = engine.sample([render_messages(scene.auction) for scene in scenes], 1, sampling, seed)
    inserted = errors = repeated = unfinished = 0
    bid_lifts: list[float] = []
    relevance_lifts: list[float] = []
    for scene, (answer,) in zip(scenes, answers, strict=True):
        parsed = parse_answer(answer.text, scene.auction.candidates)
        inserted += len(parsed.ad_ids)
        errors += parsed.format_errors
        repeated += parsed.repetitions
        unfinished += not answer.finished
        chosen = [i for i, ad in enumerate(scene.auction.candidates) if ad.ad_id in parsed.ad_ids]
        bid_lifts += _lift(scene.auction.bids, chosen)
        relevance_lifts += _lift(scene.relevance, chosen)
    return Acceptance(
        candidates=candidates,
        foreign=foreign,
        prompts=prompts,
        valid_share=(inserted + repeated) / max(inserted + errors, 1),
        repeated_share=repeated / max(inserted + errors, 1),
        ads_per_answer=inserted / prompts,
        unfinished_share=unfinished / prompts,
        bid_lift=sum(bid_lifts) / max(len(bid_lifts), 1),
        relevance_lift=sum(relevance_lifts) / max(len(relevance_lifts), 1),
    )


def _lift(values: Sequence[float], chosen: Sequence[int]) -> list[float]:
    mean = sum(values) / len(values)
    return [values[i] - mean for i in chosen]
