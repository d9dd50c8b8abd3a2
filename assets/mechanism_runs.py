"""Running the mechanisms on the test queries: which models each needs, and its outcomes at every iteration and setting.

All of them meet the same queries, candidates, bids and user randomness; the outcomes are scored by
`llm_auction.evaluation.outcomes`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.frames import load_ads, load_auctions
from assets.partitions import ITERATIONS
from llm_auction.evaluation.outcomes import Bound, Contender, Shown, score_answers
from llm_auction.generation.protocol import GenerationEngine
from llm_auction.market import Auction
from llm_auction.mechanisms import (
    ClickEstimator,
    LlmAuction,
    MosaicAuction,
    Outcome,
    PretrainedAdLlm,
    clicks_from_pctr,
    clicks_from_user,
)
from llm_auction.objective import Penalty
from llm_auction.profiles.schema import Profile
from llm_auction.seeds import derive_seed
from llm_auction.users import ParametricUser
from llm_auction.users.clairvoyant import clairvoyant_reward
from llm_auction.users.protocol import UserModel
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.user_model import UserModelResource

ARM_OF_MOSAIC_REWARD = "llm_auction"


@dataclass(frozen=True)
class Bench:
    """What all mechanisms share: the test auctions, the users who judge, and the bound of every query."""

    profile: Profile
    auctions: Sequence[Auction]
    user: UserModel
    bounds: dict[str, Bound]
    log: Callable[[str], None]

    @classmethod
    def of(cls, profile: Profile, lake: Lake, user_model: UserModelResource, log: Callable[[str], None]) -> "Bench":
        """The first `evaluation.test_queries` test queries with the test bids, which no mechanism changes.

        Raises:
            ValueError: there are no test queries.
        """
        auctions = load_auctions(lake, "test", profile.bidding, profile.seed, "test")[: profile.evaluation.test_queries]
        if not auctions:
            raise ValueError(
                "user_queries has no test query: raise population.test_share or population.profiles, or mark rows of "
                "your query file with split = test, and materialize user_queries and ad_candidates again"
            )
        user = user_model.open(list(load_ads(lake).values()))
        return cls(profile, auctions, user, _bounds(auctions, user, profile), log)

    def score(self, contender: Contender, outcomes: Sequence[Sequence[Outcome]]) -> pl.DataFrame:
        """Judge the outcomes of one contender: `outcomes[i]` are its showings of auction i."""
        shown = [
            Shown(auction, sample, one.answer, one.payment, one.answer_tokens, one.generations, one.tokens)
            for auction, of_auction in zip(self.auctions, outcomes, strict=True)
            for sample, one in enumerate(of_auction)
        ]
        return score_answers(contender, shown, self.user, self.profile, self.bounds)


def outcomes_of(mechanism: str, bench: Bench, model_store: ModelStore, engine: EngineResource) -> pl.DataFrame:
    """The outcomes of one mechanism, of every iteration that it has or every setting that is configured.

    Raises:
        ValueError: a model it needs is missing; says what to materialize.
    """
    runs = {"pretrained": _pretrained, "mosaic": _mosaic}
    frames = (
        runs[mechanism](bench, model_store, engine)
        if mechanism in runs
        else _trained(mechanism, bench, model_store, engine)
    )
    return pl.concat(list(frames))


def evaluated_iterations(model_store: ModelStore, kind: str, arm: str) -> list[str]:
    """The iterations of an arm that have a model, in loop order.

    Raises:
        ValueError: none has.
    """
    found = [iteration for iteration in ITERATIONS if model_store.exists(kind, f"{arm}/{iteration}")]
    if not found:
        asset = {"ad_llm": "ad_llm", "pctr": "pctr_model"}[kind]
        raise ValueError(f"arm {arm} has no {asset} yet: materialize {asset}[{arm}|{ITERATIONS[0]}] first")
    return found


def one_answer_mechanism(bench: Bench, engine: GenerationEngine, kind: type[LlmAuction] = LlmAuction) -> LlmAuction:
    """An Ad-LLM as a mechanism on the bench; first price bills clicks, so its bill follows the users' own odds."""
    return kind(engine, clicks_from_user(bench.user), bench.profile.sampling, template=bench.profile.ad_llm.prompt)


def _pretrained(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    mechanism = one_answer_mechanism(bench, engine.open(model_store.resolve("ad_llm", "base").path), PretrainedAdLlm)
    yield _evaluate(bench, Contender("pretrained"), mechanism)


def _trained(arm: str, bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    for iteration in evaluated_iterations(model_store, "ad_llm", arm):
        model = model_store.resolve("ad_llm", f"{arm}/{iteration}")
        yield _evaluate(bench, Contender(arm, iteration), one_answer_mechanism(bench, engine.open(model.path)))


def _evaluate(bench: Bench, contender: Contender, mechanism: LlmAuction) -> pl.DataFrame:
    samples = bench.profile.evaluation.answers_per_query
    bench.log(f"{contender.label}: {samples} answers to each of {len(bench.auctions)} test queries")
    return bench.score(contender, mechanism.repeat(bench.auctions, samples, _answer_seed(bench.profile)))


def _mosaic(bench: Bench, model_store: ModelStore, engine: EngineResource) -> Iterator[pl.DataFrame]:
    """One set of candidate answers a query, auctioned at every tau and in the limit of tau -> 0."""
    profile = bench.profile
    last = evaluated_iterations(model_store, "pctr", ARM_OF_MOSAIC_REWARD)[-1]
    reward_model = _load_pctr(model_store.resolve("pctr", f"{ARM_OF_MOSAIC_REWARD}/{last}").path)
    mosaic = MosaicAuction(
        engine.open(model_store.resolve("ad_llm", "base").path),
        reward_model,
        profile.sampling,
        penalty_of(profile),
        tau=0.0,
        candidates=profile.evaluation.mosaic_candidates,
        template=profile.ad_llm.prompt,
        on_progress=lambda done, total: bench.log(f"mosaic: {done} of {total} candidate answers"),
    )
    seed, samples = _answer_seed(profile), profile.evaluation.answers_per_query
    proposals = mosaic.propose(bench.auctions, seed)
    for tau in (0.0, *profile.evaluation.mosaic_taus):
        variant = f"tau={tau:g}" if tau else "argmax"
        yield bench.score(Contender("mosaic", None, variant), mosaic.settle(proposals, samples, seed, tau))


def _load_pctr(folder: Path) -> ClickEstimator:
    from llm_auction.pctr.model import PctrModel

    return clicks_from_pctr(PctrModel.load(folder))


def _bounds(auctions: Sequence[Auction], user: UserModel, profile: Profile) -> dict[str, Bound]:
    if not isinstance(user, ParametricUser):
        return {}
    penalty = penalty_of(profile)
    found = {auction.query.query_id: clairvoyant_reward(auction, user, penalty) for auction in auctions}
    return {query_id: Bound(best.reward, best.revenue) for query_id, best in found.items()}


def penalty_of(profile: Profile) -> Penalty:
    """The response penalty that the profile sets."""
    return Penalty(profile.reward.lambda_, profile.reward.ad_weight, profile.reward.error_weight)


def _answer_seed(profile: Profile) -> int:
    return derive_seed(profile.seed, "test-answers")
