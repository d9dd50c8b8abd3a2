"""Synthetic outcomes for the tests of the evaluation and the report: invented answers of invented skill, no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.bidding import draw_bids
from llm_auction.evaluation.best_response import play
from llm_auction.evaluation.bid_curves import CURVE_SCHEMA, computed_points, curves_of
from llm_auction.evaluation.continuity import SLOT_AUCTION, ladder, slot_probe
from llm_auction.evaluation.incentive_table import best_response_rows, first_price_rows, truth_rows
from llm_auction.evaluation.monotonicity import LADDER
from llm_auction.evaluation.outcomes import Bound, Contender, Shown, score_answers
from llm_auction.evaluation.quality import answer_quality
from llm_auction.evaluation.truthfulness import TruthRegret
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.payments import first_price
from llm_auction.pctr.encoders import HashingEncoder
from llm_auction.profiles.schema import EvaluationConfig, PopulationConfig, Profile
from llm_auction.report.study import RewardModelFit, SeedRun
from llm_auction.seeds import derive_seed, generator
from llm_auction.users.protocol import Judgement

TITLES = (
    ("TrailCraft Hiking Boots", "Outdoor"), ("Aurora Noise-Cancelling Headphones", "Audio"),
    ("Morning Ritual Espresso Machine", "Kitchen"), ("Feather Carry-On Spinner", "Travel"),
    ("Mindful Minutes Meditation App", "Wellness"), ("Verdant Balcony Herb Kit", "Gardening"),
    ("PaceKeeper GPS Watch", "Fitness"), ("Quiet Pages Reading Lamp", "Home"),
    ("Little Builders Wooden Blocks", "Toys"), ("ClearSky Travel Insurance", "Insurance"),
)  # fmt: skip
QUESTIONS = (
    "What should I pack for a three-day hike in the Alps in early autumn?",
    "How do I make better coffee at home without spending a fortune?",
    "Which exercises help after a long day at a desk?",
    "How can I keep basil alive on a small balcony?",
    "What is a calm evening routine that actually helps me sleep?",
)
FINAL = Contender("llm_auction", "03")
SYNTHETIC_CHARGE = 0.5  # of bid x click: the synthetic price of everything


class StubUser:
    """Clicks an ad with a probability that falls with the ad's position in the catalog; one draw an ad."""

    def click_probabilities(self, auction: Auction, answer: str) -> dict[str, float]:
        order = {ad.ad_id: index for index, ad in enumerate(auction.candidates)}
        found = parse_answer(answer, auction.candidates).ad_ids
        return {ad_id: 0.75 / (1 + 0.3 * order[ad_id]) / len(found) ** 0.5 for ad_id in found}

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        probabilities = self.click_probabilities(auction, answer)
        return [Judgement(ad_id, bool(rng.random() < p), p, "stub") for ad_id, p in probabilities.items()]

    def judge_all(
        self, auctions: Sequence[Auction], answers: Sequence[str], rngs: Sequence[np.random.Generator]
    ) -> list[list[Judgement]]:
        return [self.judge(*showing) for showing in zip(auctions, answers, rngs, strict=True)]


def catalog() -> list[Ad]:
    return [Ad(f"{1000 + index}", title, category) for index, (title, category) in enumerate(TITLES)]


def synthetic_auctions(profile: Profile) -> list[Auction]:
    """One auction a test query; the candidates are the catalog in an order of the query's own."""
    found = []
    for index in range(profile.evaluation.test_queries):
        query = Query(f"q{index:03d}", f"u{index // 2:02d}", QUESTIONS[index % len(QUESTIONS)])
        user = UserProfile(query.user_id, "Mira, 34, a teacher who hikes, reads crime novels and brews her own coffee.")
        order = generator(profile.seed, "order", query.query_id).permutation(len(TITLES))
        ads = tuple(catalog()[position] for position in order)
        bids = draw_bids(query.query_id, ads, profile.bidding, profile.seed, "test")
        found.append(Auction(query, user, ads, bids))
    return found


def synthetic_profile(seed: int = 0, queries: int = 40) -> Profile:
    return Profile(
        name="synthetic",
        seed=seed,
        population=PopulationConfig(),
        evaluation=EvaluationConfig(test_queries=queries, answers_per_query=2, bootstrap_resamples=400),
    )


def synthetic_outcomes(profile: Profile, contenders: Sequence[Contender] | None = None) -> pl.DataFrame:
    """Outcomes of pretrained, MOSAIC, three iterations of LLM-Auction and of the Oracle, of rising skill."""
    auctions = synthetic_auctions(profile)
    bounds = {auction.query.query_id: Bound(62.0, 70.0) for auction in auctions}
    frames = []
    for contender in contenders or DEFAULT_CONTENDERS:
        rng = generator(derive_seed(profile.seed, "skill"), contender.label)
        shown = []
        for auction in auctions:
            for sample in range(profile.evaluation.answers_per_query):
                answer = _answer(auction, _SKILL[contender], rng)
                generations = 20 if contender.mechanism == "mosaic" else 1
                tokens = len(answer) // 4
                cost = (generations, tokens * generations, 0.002 * tokens * generations)
                worth = first_price(auction, StubUser().click_probabilities(auction, answer))
                charged = {ad_id: SYNTHETIC_CHARGE * price for ad_id, price in worth.items()}
                shown.append(Shown(auction, sample, answer, charged, tokens, *cost))
        frames.append(score_answers(contender, shown, StubUser(), profile, bounds))
    return pl.concat(frames)


def synthetic_run(seed: int = 0, queries: int = 40) -> SeedRun:
    profile = synthetic_profile(seed, queries)
    auctions = synthetic_auctions(profile)
    return SeedRun(
        outcomes=synthetic_outcomes(profile),
        ads={ad.ad_id: ad for ad in catalog()},
        queries={auction.query.query_id: auction.query for auction in auctions},
        profiles={auction.profile.user_id: auction.profile for auction in auctions},
        fits=[
            RewardModelFit(arm, f"{number:02d}", fit, {"auc": fit["auc"] - 0.02} if number > 1 else {}, 1200)
            for arm in ("llm_auction", "oracle")
            for number in (1, 2, 3)
            for fit in [_fit(number, arm)]
        ],
        runs={"pretrained": "run-pretrained", "mosaic": "run-mosaic"},
        bid_curves=synthetic_bid_curves(profile),
        continuity=synthetic_continuity(profile),
        incentives=synthetic_incentives(profile),
        quality=answer_quality(synthetic_outcomes(profile), {ad.ad_id: ad for ad in catalog()}, HashingEncoder(64)),
    )


def synthetic_bid_curves(profile: Profile) -> pl.DataFrame:
    """Curves that rise with the bid the more the further the iteration; the pretrained model's are noise."""
    rows = []
    for iteration, slope in ((None, 0.0), ("01", 0.002), ("02", 0.004), ("03", 0.006)):
        rng = generator(profile.seed, "curves", str(iteration))
        mechanism = "llm_auction" if iteration else "pretrained"
        for auction in synthetic_auctions(profile):
            for bid in LADDER:
                values = np.clip(0.05 + slope * bid + rng.normal(0, 0.06, 4), 0, 1).tolist()
                itctr = sum(values) / 4
                rows.append((mechanism, iteration, None, auction.query.query_id, "1000", bid, 4, 2, 1, itctr, values))
    return pl.DataFrame(rows, schema=CURVE_SCHEMA, orient="row")


def _fit(number: int, arm: str) -> dict[str, float]:
    shift = 0.005 if arm == "oracle" else 0.0
    return {
        "auc": 0.72 + 0.02 * number + shift,
        "bayes_auc": 0.83,
        "log_loss": 0.51 - 0.02 * number,
        "ece": 0.06 - 0.012 * number,
    }


_SKILL = {
    Contender("pretrained"): 0.1,
    Contender("mosaic", None, "tau=10"): 0.55,
    Contender("mosaic", None, "argmax"): 0.65,
    **{Contender("llm_auction", f"{t:02d}"): skill for t, skill in ((1, 0.6), (2, 0.85), (3, 0.9))},
    **{Contender("oracle", f"{t:02d}"): skill for t, skill in ((1, 0.7), (2, 0.9), (3, 0.93))},
}
DEFAULT_CONTENDERS = tuple(_SKILL)


def _answer(auction: Auction, skill: float, rng: np.random.Generator) -> str:
    """With probability `skill` the two ads of highest bid x click probability, else ads at random."""
    by_worth = sorted(range(len(auction.candidates)), key=lambda i: -auction.bids[i] / (1 + 0.3 * i))
    chosen = by_worth[:2] if rng.random() < skill else list(rng.choice(len(auction.candidates), 3, replace=False))
    first, *others = [render_insertion(auction.candidates[int(i)]) for i in chosen]
    text = (
        "Start small and keep what works: a little every day beats one big effort at the weekend. Many people find "
        f"that {first} makes the first step easier, whatever the season."
    )
    for one in others:
        text += f" If you want to go further, {one} is worth a look."
    if rng.random() > 0.6 + 0.4 * skill:
        text += f" Also see @{auction.candidates[0].title.upper()}@[Ad-{auction.candidates[0].ad_id}]."
    return text + " Whatever you choose, write down what you tried, so that you can tell next month what helped."


def synthetic_continuity(profile: Profile) -> pl.DataFrame:
    """Smooth curves of every model beside a slot auction's step, of one query and of three."""
    bids, frames = ladder(9), []
    auctions = synthetic_auctions(profile)
    for scope, chosen, answers in (("one_query", auctions[:1], 40), ("many_queries", auctions[:3], 8)):
        for auction in chosen:
            probe = slot_probe(auction, StubUser(), bids, profile.bidding)
            names, computed = (auction.query.query_id, probe.ad_id), []
            for iteration in (None, "01", "02", "03"):
                contender = Contender("llm_auction" if iteration else "pretrained", iteration)
                luck = generator(profile.seed, "continuity", *names).random((1, answers))
                rising = np.array(bids)[:, None] / 120 * int(iteration or 0) / 3 + 0.1
                values = 0.5 * (luck < rising)
                points = computed_points(contender, *names, bids, values.mean(axis=1), answers)
                computed.append(points.with_columns(answer_itctr=pl.Series(values.tolist())))
            slot = computed_points(SLOT_AUCTION, *names, bids, probe.slot_itctr, 0)
            frames += [points.with_columns(scope=pl.lit(scope)) for points in (*computed, slot)]
    return pl.concat(frames)


def synthetic_incentives(profile: Profile) -> pl.DataFrame:
    """Regrets on the synthetic bid curves, best responses to clicks that rise with the bid, and an exact zero."""

    def clicks(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
        return [np.tile(np.array(one.bids) / 1000, (4, 1)) for one in auctions]

    rounds = play(synthetic_auctions(profile)[:2], clicks, 2, 100, profile.seed)
    return pl.concat(
        [
            first_price_rows(curves_of(synthetic_bid_curves(profile)), 100, profile.seed),
            best_response_rows(FINAL, rounds),
            truth_rows(Contender("mosaic", None, "tau=10"), TruthRegret(3e-14, 0.2, 0.0, 20)),
        ]
    )
