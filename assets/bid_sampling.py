"""Sampling bid curves: one Ad-LLM after another answers probes whose one bid climbs a ladder."""

from collections.abc import Iterator, Sequence

import polars as pl

from assets.bench import Bench, one_answer_mechanism
from assets.lineage import evaluated_iterations
from assets.properties import ARM_OF_PROPERTIES as ARM
from llm_auction.evaluation.bid_curves import curve_points
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.probes import Probe
from llm_auction.mechanisms import LlmAuction
from llm_auction.seeds import derive_seed
from resources.engines import EngineResource
from resources.model_store import ModelStore

CURVE_COLUMNS = {
    "ad_id": "The candidate whose bid is moved.",
    "bid": "Its bid at this step; all other bids stay.",
    "answers": "Answers at this step; for a computed curve, those that the formula rests on.",
    "shown": "Answers that insert the ad; null for a computed curve.",
    "clicks": "Sampled clicks on it; null for a computed curve.",
    "itctr": "Mean probability that it is shown and clicked (Eq. 1), with the user model's own click probabilities; "
    "over the answers that were judged, null where none was.",
    "answer_itctr": "The same for each answer; the k-th of every step met the same random numbers. Null where an LLM "
    "came to no verdict.",
}


def ad_llms(
    bench: Bench, model_store: ModelStore, engine: EngineResource, newest_only: bool = False
) -> Iterator[tuple[Contender, LlmAuction]]:
    """The pretrained model and every iteration of the arm, or the newest one, each opened when its turn comes.

    Raises:
        ValueError: the base model or the arm's first iteration is missing; says what to materialize.
    """
    iterations = evaluated_iterations(model_store, "ad_llm", ARM, bench.log)[-1 if newest_only else 0 :]
    pointers = {Contender("pretrained"): "base", **{Contender(ARM, one): f"{ARM}/{one}" for one in iterations}}
    for contender, pointer in pointers.items():
        model = model_store.resolve("ad_llm", pointer)
        yield contender, one_answer_mechanism(bench, engine.open(model.path, log_probabilities=False))


def sampled_curves(
    contender: Contender,
    mechanism: LlmAuction,
    bench: Bench,
    probes: Sequence[Probe],
    answers: int,
) -> Iterator[pl.DataFrame]:
    """The points of one model's curves, a frame for each step of the ladders, which are of one length.

    Each step draws with the same random numbers, so that what changes along a curve is the bid alone.

    Args:
        probes: whose bid climbs in which auction.
        answers: answers at every bid.
    """
    seed, steps = bench.profile.seed, len(probes[0].bids)
    for step in range(steps):
        if step % 10 == 0 or steps <= 20:
            bench.log(f"{contender.label}: bid {step + 1} of {steps}, {len(probes)} x {answers} answers each")
        outcomes = mechanism.repeat([probe.at(step) for probe in probes], answers, derive_seed(seed, "bid-curve"))
        texts = [[one.answer for one in of_auction] for of_auction in outcomes]
        yield curve_points(contender, probes, step, texts, bench.user, seed)
