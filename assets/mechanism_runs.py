"""The mechanisms of the evaluation: one name each in `RUNS`, which is also their partition, and how each is run.

All of them meet the same queries, candidates, bids and user randomness (`assets.bench`). A new mechanism is one file in
`llm_auction/mechanisms` and one name here.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import polars as pl
from dagster import StaticPartitionsDefinition

from assets.bench import Bench, load_reward_model, one_answer_mechanism, predicted_click_values
from assets.lineage import evaluated_iterations
from assets.partitions import ARMS
from assets.unjudged import refuse_unjudged
from llm_auction.evaluation.clairvoyant_outcomes import clairvoyant_outcomes
from llm_auction.evaluation.outcomes import Contender
from llm_auction.generation.protocol import GenerationEngine
from llm_auction.market import Auction
from llm_auction.mechanisms import (
    AnswerLikelihood,
    BestOfN,
    LlmAuction,
    MosaicAuction,
    PretrainedAdLlm,
    RagAuction,
    RagSegmentAuction,
    clicks_from_user,
    relevance_by_retrieval,
)
from llm_auction.mechanisms.mosaic import CandidateSet
from llm_auction.objective import penalty_of
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.users import ParametricUser
from resources.engines import EngineResource
from resources.model_store import ModelStore

# Holds the outcomes, a partition a mechanism.
TABLE = "mechanism_outcomes"

# Yields the outcomes of one mechanism, of every iteration that it has or every setting that is configured.
Run = Callable[[Bench, ModelStore, EngineResource], Iterator[pl.DataFrame]]

# Whose reward model ranks MOSAIC's candidates, and whose Ad-LLM draws them where it is not the pretrained one.
ARM_OF_MOSAIC = "llm_auction"


def outcomes_of(mechanism: str, bench: Bench, model_store: ModelStore, engine: EngineResource) -> pl.DataFrame:
    """The outcomes of one mechanism.

    Raises:
        ValueError: there is no such mechanism, or a model it needs is missing; says what to do.
        Failure: a User-LLM left too many ads unjudged.
    """
    if mechanism not in RUNS:
        raise ValueError(f"unknown mechanism {mechanism!r}: choose among {', '.join(RUNS)}")
    outcomes = pl.concat(list(RUNS[mechanism](bench, model_store, engine)))
    unjudged = outcomes.filter(pl.col("revenue").is_null())
    refuse_unjudged(bench.profile, bench.user, int(unjudged["n_ads"].sum()), int(outcomes["n_ads"].sum()))
    return outcomes


def _pretrained(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    mechanism = one_answer_mechanism(bench, _open(bench, engine, model_store, "base"), PretrainedAdLlm)
    yield _one_answer(bench, Contender("pretrained"), mechanism)


def _trained(arm: str, bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    for iteration in evaluated_iterations(model_store, "ad_llm", arm, bench.log):
        opened = _open(bench, engine, model_store, f"{arm}/{iteration}")
        yield _one_answer(bench, Contender(arm, iteration), one_answer_mechanism(bench, opened, arm=arm))


def _one_answer(bench: Bench, contender: Contender, mechanism: LlmAuction) -> pl.DataFrame:
    bench.log(f"{contender.label}: {bench.samples} answers to each of {len(bench.auctions)} test queries")
    return bench.score(contender, mechanism.repeat(bench.auctions, bench.samples, bench.answer_seed))


def _rag_auction(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    """k winners for the whole answer, then the answer's segments sold one by one, without and with replacement."""
    profile, evaluation = bench.profile, bench.profile.evaluation
    opened = _open(bench, engine, model_store, "base")
    relevance, clicks = relevance_by_retrieval(bench.ads), clicks_from_user(bench.user)
    variants: dict[str, RagAuction | RagSegmentAuction] = {
        f"k={winners}": RagAuction(
            opened,
            relevance,
            clicks,
            profile.sampling,
            winners=winners,
            reserve=bench.reserve,
            template=profile.ad_llm.prompt,
        )
        for winners in evaluation.rag_winners
    }
    segments = f"{evaluation.rag_segments} segment" + ("s" if evaluation.rag_segments > 1 else "")
    for variant, replacement in ((segments, False), (f"{segments} with replacement", True)):
        variants[variant] = RagSegmentAuction(
            opened,
            relevance,
            clicks,
            profile.sampling,
            segments=evaluation.rag_segments,
            replacement=replacement,
            reserve=bench.reserve,
            template=profile.ad_llm.prompt,
        )
    for variant, mechanism in variants.items():
        _warm(bench, engine, opened)  # judging the variant before may have ended the server
        contender = Contender("rag_auction", None, variant)
        bench.log(f"{contender.label}: {bench.samples} auctions of each of {len(bench.auctions)} test queries")
        yield bench.score(contender, mechanism.repeat(bench.auctions, bench.samples, bench.answer_seed))


def _mosaic(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    """Candidates from the pretrained model, which is the reference: no importance weights."""
    drawn_by = _open(bench, engine, model_store, "base")
    yield from _auctioned(bench, model_store, "mosaic", drawn_by, bench.profile.sampling)


def _mosaic_tuned(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    """Candidates from the tuned Ad-LLM, bids hidden, weighted back to the pretrained model's own law."""
    last = evaluated_iterations(model_store, "ad_llm", ARM_OF_MOSAIC, bench.log)[-1]
    drawn_by = _warm(bench, engine, engine.open(model_store.resolve("ad_llm", f"{ARM_OF_MOSAIC}/{last}").path))
    untruncated = bench.profile.sampling.model_copy(update={"temperature": 1.0, "top_p": 1.0, "top_k": 0})
    # Opened once the answers are drawn: a server that draws them needs the memory until then.
    reference = partial(engine.scorer, model_store.resolve("ad_llm", "base").path)
    yield from _auctioned(bench, model_store, "mosaic_tuned", drawn_by, untruncated, reference)


def mosaic_proposals(
    bench: Bench,
    model_store: ModelStore,
    drawn_by: GenerationEngine,
    sampling: SamplingConfig,
    auctions: Sequence[Auction],
    open_reference: Callable[[], AnswerLikelihood] | None = None,
    name: str = "mosaic",
) -> tuple[MosaicAuction, list[CandidateSet]]:
    """MOSAIC, in the limit of tau -> 0, and its candidate answers to each auction, ranked by its arm's newest model.

    Raises:
        ValueError: the arm has no reward model yet; says what to materialize.
    """
    last = evaluated_iterations(model_store, "pctr", ARM_OF_MOSAIC, bench.log)[-1]
    folder = model_store.resolve("pctr", f"{ARM_OF_MOSAIC}/{last}").path
    mosaic = MosaicAuction(
        drawn_by,
        load_reward_model(bench.profile, folder),
        sampling,
        penalty_of(bench.profile.reward),
        tau=0.0,
        candidates=bench.profile.evaluation.mosaic_candidates,
        values=predicted_click_values(bench.profile, folder),
        reserve=bench.reserve,
        open_reference=open_reference,
        template=bench.profile.ad_llm.prompt,
        on_progress=lambda done, total: bench.log(f"{name}: {done} of {total} candidate answers"),
    )
    return mosaic, mosaic.propose(auctions, bench.answer_seed)


def _auctioned(
    bench: Bench,
    model_store: ModelStore,
    name: str,
    drawn_by: GenerationEngine,
    sampling: SamplingConfig,
    open_reference: Callable[[], AnswerLikelihood] | None = None,
) -> Iterator[pl.DataFrame]:
    """One set of candidate answers a query, auctioned at every tau and in the limit of tau -> 0."""
    mosaic, proposals = mosaic_proposals(bench, model_store, drawn_by, sampling, bench.auctions, open_reference, name)
    for tau in (0.0, *bench.profile.evaluation.mosaic_taus):
        variant = f"tau={tau:g}" if tau else "argmax"
        outcomes = mosaic.settle(proposals, bench.samples, bench.answer_seed, tau)
        yield bench.score(Contender(name, None, variant), outcomes)


def _open(bench: Bench, engine: EngineResource, model_store: ModelStore, pointer: str) -> GenerationEngine:
    """The engine of a model whose answers are judged: nobody reads their log-probabilities."""
    return _warm(bench, engine, engine.open(model_store.resolve("ad_llm", pointer).path, log_probabilities=False))


def _warm(bench: Bench, engine: EngineResource, opened: GenerationEngine) -> GenerationEngine:
    prompt = render_messages(bench.auctions[0], bench.profile.ad_llm.prompt)
    return engine.warm_up(opened, prompt, bench.profile.sampling, bench.answer_seed)


def _best_of_n(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    """One set of answers a query, of which each N takes its blocks; the largest N may show fewer than others."""
    profile = bench.profile
    most = max(profile.evaluation.best_of)
    mechanism = BestOfN(
        _open(bench, engine, model_store, "base"),
        clicks_from_user(bench.user),
        profile.sampling,
        penalty_of(profile.reward),
        answers=most,
        values=bench.values,
        template=profile.ad_llm.prompt,
        on_progress=lambda done, total: bench.log(f"best_of_n: {done} of {total} answers"),
    )
    proposals = mechanism.propose(bench.auctions, most, bench.answer_seed)
    for answers in profile.evaluation.best_of:
        outcomes = mechanism.settle(proposals, answers, bench.samples)
        yield bench.score(Contender("best_of_n", None, f"N={answers}"), outcomes)


def _clairvoyant(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    if not isinstance(bench.user, ParametricUser):
        raise ValueError("the clairvoyant bound is known for the parametric user only: leave this mechanism out")
    yield clairvoyant_outcomes(bench.auctions, bench.user, bench.profile, bench.samples, bench.values)


RUNS: dict[str, Run] = {
    "pretrained": _pretrained,
    "rag_auction": _rag_auction,
    "mosaic": _mosaic,
    "mosaic_tuned": _mosaic_tuned,
    "best_of_n": _best_of_n,
    "clairvoyant": _clairvoyant,
    **{arm: partial(_trained, arm) for arm in ARMS},
}
MECHANISMS = tuple(RUNS)
# The trained models that a mechanism's outcomes rest on, beside the base model: (kind, arm). An arm's own reward models
# take no part in serving, but its fits in a report must be of the run that was evaluated.
MODELS_OF: dict[str, tuple[tuple[str, str], ...]] = {
    "mosaic": (("pctr", ARM_OF_MOSAIC),),
    "mosaic_tuned": (("pctr", ARM_OF_MOSAIC), ("ad_llm", ARM_OF_MOSAIC)),
    **{arm: (("ad_llm", arm), ("pctr", arm)) for arm in ARMS},
}
mechanism_partitions = StaticPartitionsDefinition(list(MECHANISMS))
