"""What all mechanisms share on the test queries: the auctions, the users who judge, the bound, the models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from assets.frames import load_ads, load_auctions
from llm_auction.click_values import (
    ClickValues,
    bids_for_clicks,
    bids_for_conversions,
    conversions_from_buyer,
    conversions_from_pctr,
)
from llm_auction.evaluation.outcomes import Bound, Contender, Shown, score_answers
from llm_auction.generation.protocol import GenerationEngine
from llm_auction.market import Ad, Auction
from llm_auction.mechanisms import ClickEstimator, LlmAuction, Outcome, clicks_from_pctr, clicks_from_user
from llm_auction.objective import penalty_of
from llm_auction.profiles.schema import Profile
from llm_auction.reserve import with_reserve
from llm_auction.seeds import derive_seed
from llm_auction.users import ParametricUser
from llm_auction.users.clairvoyant import clairvoyant_reward
from llm_auction.users.protocol import UserModel
from resources.lake import Lake
from resources.user_model import UserModelResource


@dataclass(frozen=True)
class Bench:
    """The test auctions, the users who judge, and the bound of every query; `ads` is the whole catalog.

    `values` says what a click is truly worth to the profile's reward. `reserve` is the least price a click; the
    auctions hold no lower bid.
    """

    profile: Profile
    ads: Sequence[Ad]
    auctions: Sequence[Auction]
    user: UserModel
    bounds: dict[str, Bound]
    log: Callable[[str], None]
    values: ClickValues = bids_for_clicks
    reserve: float = 0.0

    @classmethod
    def of(cls, profile: Profile, lake: Lake, user_model: UserModelResource, log: Callable[[str], None]) -> "Bench":
        """The first `evaluation.test_queries` test queries with the test bids, which no mechanism changes; no reserve.

        Raises:
            ValueError: there are no test queries.
        """
        limit = profile.evaluation.test_queries
        auctions = load_auctions(lake, "test", profile.bidding, profile.seed, "test", limit=limit)
        if not auctions:
            raise ValueError(
                "user_queries has no test query: raise population.test_share or population.profiles, or mark rows of "
                "your query file with split = test, and materialize user_queries and ad_candidates again"
            )
        ads = list(load_ads(lake).values())
        user = user_model.open(ads)
        values = true_click_values(profile, ads, user_model)
        return cls(profile, ads, auctions, user, _bounds(auctions, user, profile, values), log, values)

    def first(self, queries: int) -> "Bench":
        """The bench of the first so many test queries."""
        return replace(self, auctions=self.auctions[:queries])

    def with_reserve(self, reserve: float) -> "Bench":
        """The same test queries among the ads that bid at least `reserve`, with the bound of what is left."""
        auctions = [with_reserve(auction, reserve) for auction in self.auctions]
        bounds = _bounds(auctions, self.user, self.profile, self.values)
        return replace(self, auctions=auctions, bounds=bounds, reserve=reserve)

    @property
    def samples(self) -> int:
        """Answers drawn for each test query."""
        return self.profile.evaluation.answers_per_query

    @property
    def answer_seed(self) -> int:
        """The seed of every mechanism's answers."""
        return derive_seed(self.profile.seed, "test-answers")

    def score(self, contender: Contender, outcomes: Sequence[Sequence[Outcome]]) -> pl.DataFrame:
        """Judge the outcomes of one contender: `outcomes[i]` are its showings of auction i."""
        shown = [
            Shown(
                auction,
                sample,
                one.answer,
                one.payments,
                one.answer_tokens,
                one.generations,
                one.tokens,
                one.seconds,
                valued,
            )
            for auction, valued, of_auction in zip(self.auctions, self.values(self.auctions), outcomes, strict=True)
            for sample, one in enumerate(of_auction)
        ]
        return score_answers(contender, shown, self.user, self.profile, self.bounds)


def one_answer_mechanism(
    bench: Bench, engine: GenerationEngine, kind: type[LlmAuction] = LlmAuction, *, arm: str | None = None
) -> LlmAuction:
    """An Ad-LLM as a mechanism on the bench; first price bills clicks, so its bill follows the users' own odds.

    `arm` names the arm that trained it, whose prompt it gets.
    """
    ad_llm = (bench.profile if arm is None else bench.profile.of_arm(arm)).ad_llm
    return kind(
        engine,
        clicks_from_user(bench.user),
        bench.profile.sampling,
        template=ad_llm.prompt,
        show_bids=ad_llm.show_bids,
    )


def load_reward_model(profile: Profile, folder: Path) -> ClickEstimator:
    """The pCTR model of a folder of the store, as mechanisms ask it."""
    from llm_auction.pctr.language_encoder import EncoderPlacement
    from llm_auction.pctr.model import PctrModel

    return clicks_from_pctr(PctrModel.load(folder, EncoderPlacement.of(profile.pctr)))


def predicted_click_values(profile: Profile, folder: Path) -> ClickValues:
    """What a click is worth to the profile's reward, as the reward model of a folder of the store predicts it."""
    from llm_auction.pctr.language_encoder import EncoderPlacement
    from llm_auction.pctr.model import PctrModel

    if profile.reward.bids_on == "clicks":
        return bids_for_clicks
    model = PctrModel.load(folder, EncoderPlacement.of(profile.pctr))
    return bids_for_conversions(conversions_from_pctr(model), profile.reward.conversion_worth)


def true_click_values(profile: Profile, ads: Sequence[Ad], user_model: UserModelResource) -> ClickValues:
    """What a click is worth to the profile's reward, as the simulated user knows it."""
    if profile.reward.bids_on == "clicks":
        return bids_for_clicks
    return bids_for_conversions(conversions_from_buyer(user_model.buyer(ads)), profile.reward.conversion_worth)


def _bounds(auctions: Sequence[Auction], user: UserModel, profile: Profile, values: ClickValues) -> dict[str, Bound]:
    if not isinstance(user, ParametricUser):
        return {}
    penalty = penalty_of(profile.reward)
    found = {}
    for auction, valued in zip(auctions, values(auctions), strict=True):
        best = clairvoyant_reward(auction, user, penalty, valued)
        found[auction.query.query_id] = Bound(best.reward, best.revenue)
    return found
