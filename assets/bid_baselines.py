"""The baselines of the property checks: MOSAIC and RAG-Auction on the bench, from answers that depend on no bid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from assets.bench import Bench
from assets.mechanism_runs import mosaic_proposals
from llm_auction.evaluation.baseline_curves import mosaic_curve, segment_curve
from llm_auction.evaluation.bid_curves import computed_points
from llm_auction.evaluation.judged import judged_mean
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.probes import Probe
from llm_auction.market import Auction
from llm_auction.mechanisms import clicks_from_user, relevance_by_retrieval
from llm_auction.mechanisms.mosaic import CandidateSet
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed
from resources.engines import EngineResource
from resources.model_store import ModelStore


@dataclass(frozen=True)
class BidFreeAnswers:
    """MOSAIC's candidate answers of one auction: `clicks` (M, n) as its reward model expects them, `costs` (M,).

    Where bids are for conversions, `clicks` are those times what a click is worth a unit of the bid.
    """

    auction: Auction
    texts: Sequence[str]
    clicks: np.ndarray
    costs: np.ndarray


def mosaic_candidates(
    bench: Bench, auctions: Sequence[Auction], model_store: ModelStore, engine: EngineResource
) -> list[BidFreeAnswers]:
    """The candidate answers of each auction, scored by the arm's newest reward model.

    Raises:
        ValueError: the arm has no reward model yet; says what to materialize.
    """
    drawn_by = engine.open(model_store.resolve("ad_llm", "base").path)
    # With bids of one currency unit a candidate's rewards are its expected clicks.
    unit = [replace(auction, bids=(1,) * len(auction.bids)) for auction in auctions]
    _, proposals = mosaic_proposals(bench, model_store, drawn_by, bench.profile.sampling, unit)
    return [_bid_free(auction, proposal) for auction, proposal in zip(auctions, proposals, strict=True)]


def mosaic_curves(
    bench: Bench,
    probes: Sequence[Probe],
    model_store: ModelStore,
    engine: EngineResource,
) -> Iterator[pl.DataFrame]:
    """The curve of every probe under MOSAIC, at every tau of the profile and in the limit of tau -> 0."""
    candidates = mosaic_candidates(bench, [probe.entered for probe in probes], model_store, engine)
    for tau in (0.0, *bench.profile.evaluation.mosaic_taus):
        contender = Contender("mosaic", None, f"tau={tau:g}" if tau else "argmax")
        for probe, found in zip(probes, candidates, strict=True):
            auction, place = found.auction, _place(found.auction, probe.ad_id)
            clicks = _clicks_on(probe.ad_id, auction, found.texts, bench)
            itctr = mosaic_curve(found.clicks, found.costs, auction.bids, place, probe.bids, tau, clicks)
            yield _computed(contender, probe, itctr, len(clicks))


def rag_curves(
    bench: Bench,
    probes: Sequence[Probe],
    model_store: ModelStore,
    engine: EngineResource,
) -> Iterator[pl.DataFrame]:
    """The curve of every probe under RAG-Auction with one winner for the whole answer."""
    profile, relevance = bench.profile, relevance_by_retrieval(bench.ads)
    entered = [probe.entered for probe in probes]
    alone = [auction.only([_place(auction, probe.ad_id)]) for auction, probe in zip(entered, probes, strict=True)]
    bench.log(f"rag_auction k=1: {profile.properties.bid_answers} answers about each probed ad")
    answers = engine.open(model_store.resolve("ad_llm", "base").path).sample(
        [render_messages(auction, profile.ad_llm.prompt, show_bids=False) for auction in alone],
        profile.properties.bid_answers,
        profile.sampling,
        derive_seed(profile.seed, "bid-curve", "rag-auction"),
    )
    contender = Contender("rag_auction", None, "k=1")
    for probe, auction, winner, of_probe in zip(probes, entered, alone, answers, strict=True):
        clicks = _clicks_on(probe.ad_id, winner, [answer.text for answer in of_probe], bench)
        place, chance = _place(auction, probe.ad_id), float(judged_mean(clicks))
        itctr = segment_curve(relevance(auction), auction.bids, place, probe.bids, chance)
        yield _computed(contender, probe, itctr, len(clicks))


def _computed(contender: Contender, probe: Probe, itctr: np.ndarray, answers: int) -> pl.DataFrame:
    """The rows of one curve; a bid below the reserve gets nothing."""
    itctr = np.where(np.array(probe.bids) >= probe.reserve, itctr, 0.0)
    return computed_points(contender, probe.auction.query.query_id, probe.ad_id, probe.bids, itctr, answers)


def _bid_free(auction: Auction, proposal: CandidateSet) -> BidFreeAnswers:
    return BidFreeAnswers(auction, [answer.text for answer in proposal.answers], proposal.rewards, proposal.costs)


def _clicks_on(ad_id: str, auction: Auction, texts: Sequence[str], bench: Bench) -> np.ndarray:
    """The user's click probability of one ad in each answer: 0 where it is not shown, NaN where no LLM judged it."""
    found = clicks_from_user(bench.user)([auction] * len(texts), texts)
    return np.array([clicks.get(ad_id, 0.0) for clicks in found])


def _place(auction: Auction, ad_id: str) -> int:
    return [ad.ad_id for ad in auction.candidates].index(ad_id)
