"""Property check: what advertisers could gain by not telling the truth, and what that leaves of the revenue."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import polars as pl
from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.bench import Bench, one_answer_mechanism
from assets.bid_baselines import BidFreeAnswers, mosaic_candidates
from assets.lineage import evaluated_iterations
from assets.measured_models import models_behind, of_another_run
from assets.properties import ARM_OF_PROPERTIES as ARM
from assets.properties import MODELS_OF_CHECKS
from assets.property_check import MODELS, measured, property_check
from assets.unjudged import unjudged_of
from llm_auction.bidding import bid_range
from llm_auction.evaluation.best_response import Round, SampleClicks, play
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.truthfulness import TruthRegret, mosaic_regret, segment_regret
from llm_auction.market import Ad, Auction
from llm_auction.mechanisms import LlmAuction, clicks_from_user, relevance_by_retrieval
from llm_auction.profiles.schema import BiddingConfig
from llm_auction.reserve import with_reserve
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

# What an advertiser reports in place of the truth, as shares of its highest bid: more than that as well.
MISREPORTS = tuple(share / 20 for share in range(41))
COLUMN_DESCRIPTIONS = {
    "setting": "What the figure is for: the target ROI of value maximisers, or the round of best responses.",
    "metric": "utility_regret: gain of utility maximisers over the truth, held out; value_regret: gain in itctr of "
    "value maximisers over value / target; *_optimistic: on the answers that chose the bid; bid_shading: best bid over "
    "value; misreport_gain: the largest gain of any misreport where theory allows none; "
    "misreport_gain_users_clicks: the same under the users' own clicks in place of those that the mechanism expects.",
    "ci_low": "95 % interval over queries; null for exact arithmetic.",
    "n": "Queries; advertisers for misreport_gain.",
}


@property_check(deps=("bid_monotonicity", *MODELS), code_version="5")
def incentive_report(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    engine: EngineResource,
    user_model: UserModelResource,
) -> MaterializeResult:
    """Incentives: regret of the truth under first price, best responses, value maximisers, and IR.

    From the curves of `bid_monotonicity`, and a run of best responses on a few queries under the newest Ad-LLM. MOSAIC
    and the segment auction, where no misreport should gain, are computed exactly. Everything is under
    `evaluation.reserve_price`: a bid below it takes no part. Clicks that an LLM did not judge are left out; too many
    (`user.max_missing_share`) are an error.
    """
    from llm_auction.evaluation.bid_curves import curves_of
    from llm_auction.evaluation.incentive_table import best_response_rows, first_price_rows, truth_rows
    from llm_auction.report.sections.incentives import incentive_markdown

    config = profile.get()
    models = models_behind(model_store, MODELS_OF_CHECKS)
    others = of_another_run(lake.models("bid_monotonicity") or {}, models)
    if others:
        raise ValueError(
            f"bid_monotonicity was measured with other models ({', '.join(others)}) than those in the store: measure "
            "it again first (`llm-auction evaluate --property monotonicity --property incentives`)"
        )
    bench = Bench.of(config, lake, user_model, context.log.info)
    resamples = config.evaluation.bootstrap_resamples
    curves = curves_of(lake.read("bid_monotonicity"))
    few = bench.auctions[: config.properties.best_response_queries]
    last = evaluated_iterations(model_store, "ad_llm", ARM, bench.log)[-1]
    newest = one_answer_mechanism(bench, engine.open(model_store.resolve("ad_llm", f"{ARM}/{last}").path))
    with engine.answers_kept():
        frame = pl.concat(
            [
                first_price_rows(curves, resamples, config.seed),
                best_response_rows(Contender(ARM, last), _best_responses(bench, few, newest)),
                *(truth_rows(one, found) for one, found in _truthful(bench, few, model_store, engine)),
            ]
        )
        engine.close()
        user_model.close()
        unjudged = unjudged_of(config, bench.user)
        shown = {**unjudged, "summary": MetadataValue.md(incentive_markdown(frame))}
        return measured(lake, "incentive_report", frame, COLUMN_DESCRIPTIONS, shown, config, models)


def _best_responses(bench: Bench, auctions: Sequence[Auction], mechanism: LlmAuction) -> list[Round]:
    config = bench.profile.properties
    resamples, seed = bench.profile.evaluation.bootstrap_resamples, bench.profile.seed
    bench.log(f"best responses in {len(auctions)} queries, at most {config.best_response_rounds} rounds")
    return play(auctions, _sampler(bench, mechanism), config.best_response_rounds, resamples, seed)


def _sampler(bench: Bench, mechanism: LlmAuction) -> SampleClicks:
    """Click probabilities of all candidates in fresh answers; every 20th call is told of."""
    calls = 0

    def sample(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
        nonlocal calls
        calls += 1
        if calls % 20 == 0:
            bench.log(f"best responses: {calls} bids tried")
        entered = [with_reserve(auction, bench.profile.evaluation.reserve_price) for auction in auctions]
        outcomes = mechanism.repeat(entered, bench.profile.properties.best_response_answers, seed)
        return [
            _clicks(bench, auction, [one.answer for one in of_auction])
            for auction, of_auction in zip(auctions, outcomes, strict=True)
        ]

    return sample


def _clicks(bench: Bench, auction: Auction, texts: Sequence[str]) -> np.ndarray:
    """(answers, candidates) click probabilities: 0 where an ad is not shown, NaN where an LLM did not judge it."""
    found = clicks_from_user(bench.user)([auction] * len(texts), texts)
    return np.array([[clicks.get(ad.ad_id, 0.0) for ad in auction.candidates] for clicks in found])


def _truthful(
    bench: Bench, auctions: Sequence[Auction], model_store: ModelStore, engine: EngineResource
) -> Iterator[tuple[Contender, TruthRegret]]:
    """The regret of truth under MOSAIC at every tau and in the segment auction; the test bids are the values."""
    bidding, reserve = bench.profile.bidding, bench.profile.evaluation.reserve_price
    # An advertiser whose value is below the reserve gains nothing by entering: a click would cost it the reserve.
    entered = [with_reserve(auction, reserve) for auction in auctions]
    candidates = mosaic_candidates(bench, entered, model_store, engine)
    true_clicks = [_true_clicks(bench, one) for one in candidates]
    misreports = [[_misreports(ad, bidding) for ad in auction.candidates] for auction in entered]
    for tau in (0.0, *bench.profile.evaluation.mosaic_taus):
        found = [
            mosaic_regret(one.clicks, true, one.costs, one.auction.bids, tried, tau, reserve)
            for one, true, tried in zip(candidates, true_clicks, misreports, strict=True)
        ]
        yield Contender("mosaic", None, f"tau={tau:g}" if tau else "argmax"), reduce(TruthRegret.joined, found)
    relevance = relevance_by_retrieval(bench.ads)
    found = [
        segment_regret(relevance(auction), auction.bids, tried, reserve)
        for auction, tried in zip(entered, misreports, strict=True)
    ]
    yield Contender("rag_auction", None, "k=1"), reduce(TruthRegret.joined, found)


def _true_clicks(bench: Bench, candidates: BidFreeAnswers) -> np.ndarray:
    """The users' own clicks on MOSAIC's candidates, in the units of `BidFreeAnswers.clicks`."""
    auction = candidates.auction
    (unit,) = bench.values([replace(auction, bids=(1,) * len(auction.bids))])
    return _clicks(bench, auction, candidates.texts) * np.array(unit.bids)


def _misreports(ad: Ad, bidding: BiddingConfig) -> list[float]:
    """The bids that the advertiser of an ad tries."""
    return [share * bid_range(ad, bidding)[1] for share in MISREPORTS]
