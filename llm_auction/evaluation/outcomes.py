"""The outcome of one answer on one test query: what users do with it, what it earns, what it costs.

Every mechanism faces the same queries, candidates, bids and user randomness, so that outcomes can be compared pairwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import polars as pl

from llm_auction.answers import ParsedAnswer, parse_answer
from llm_auction.objective import expected_revenue, penalty_of
from llm_auction.seeds import generator

if TYPE_CHECKING:
    from llm_auction.market import Auction
    from llm_auction.profiles.schema import Profile
    from llm_auction.users.protocol import UserModel

OUTCOME_SCHEMA: dict[str, pl.DataType] = {
    "profile": pl.String(),
    "seed": pl.Int64(),
    "mechanism": pl.String(),
    "iteration": pl.String(),
    "variant": pl.String(),
    "query_id": pl.String(),
    "sample_index": pl.Int64(),
    "answer": pl.String(),
    "candidate_ad_ids": pl.List(pl.String()),
    "bids": pl.List(pl.Int64()),
    "inserted_ad_ids": pl.List(pl.String()),
    "click_probabilities": pl.List(pl.Float64()),
    "clicks": pl.List(pl.Boolean()),
    "revenue": pl.Float64(),
    "expected_revenue": pl.Float64(),
    "penalty": pl.Float64(),
    "reward": pl.Float64(),
    "payments": pl.List(pl.Float64()),
    "payment": pl.Float64(),
    "welfare": pl.Float64(),
    "utility": pl.Float64(),
    "format_errors": pl.Int64(),
    "n_ads": pl.Int64(),
    "flooded": pl.Boolean(),
    "tokens": pl.Int64(),
    "characters": pl.Int64(),
    "generations": pl.Int64(),
    "generated_tokens": pl.Int64(),
    "seconds": pl.Float64(),
    "clairvoyant_reward": pl.Float64(),
    "clairvoyant_revenue": pl.Float64(),
}
CONTENDER_COLUMNS = ("mechanism", "iteration", "variant")
# What nobody knows of an answer that the user did not judge, beside the clicks themselves.
OF_CLICKS = ("revenue", "expected_revenue", "reward", "payment", "welfare", "utility")


@dataclass(frozen=True, slots=True)
class Contender:
    """What is compared: a mechanism, at an iteration where it is trained, in a variant where it has a setting."""

    mechanism: str
    iteration: str | None = None
    variant: str | None = None

    @property
    def label(self) -> str:
        return " ".join(
            part for part in (self.mechanism, self.iteration and f"iteration {self.iteration}", self.variant) if part
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer shown to the user of one auction, and what the mechanism charged and computed for it.

    `tokens` are those of the shown answer, `generated_tokens` those of all `generations` it took, `seconds` the time of
    serving it; `payments` by ad id in currency units, charged in expectation over clicks, as a mechanism's `Outcome`
    has them (NaN where nobody knows these). `values` is the auction with what clicks are worth in place of bids, where
    the profile's reward takes something else.
    """

    auction: Auction
    sample_index: int
    answer: str
    payments: Mapping[str, float]
    tokens: int
    generations: int
    generated_tokens: int
    seconds: float = 0.0
    values: Auction | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """The clairvoyant bound of one test query: the best reward the user model allows, and the revenue it comes with."""

    reward: float
    revenue: float


def score_answers(
    contender: Contender,
    shown: Iterable[Shown],
    user: UserModel,
    profile: Profile,
    bounds: Mapping[str, Bound],
) -> pl.DataFrame:
    """Let users judge the answers of one contender; one row an answer, columns as in `OUTCOME_SCHEMA`.

    `revenue` counts sampled clicks (bid x click), `expected_revenue` and `reward` use the user model's own click
    probabilities; `welfare` is value x click probability, with the values that `bidding.target_roi` makes of the bids,
    and `utility` what the advertisers keep of it after paying. The clicks of a query and sample are drawn from the
    stream ("test-clicks", query, sample) whatever the mechanism, so that all face the same user randomness. `bounds`
    are the clairvoyant bounds by query id; a query without one (a user model that isn't parametric) keeps nulls.

    Where the user model knows no probabilities (an LLM), the sampled clicks stand in their place, as the paper counts
    them: the figures are right on average and noisier, and whether an answer floods is not known (null). Of an answer
    that it did not judge, when it was shown or when its bill was made, what hangs on clicks is null (`OF_CLICKS`).
    """
    showings = list(shown)
    judgements = user.judge_all(
        [one.auction for one in showings],
        [one.answer for one in showings],
        [generator(profile.seed, "test-clicks", one.auction.query.query_id, one.sample_index) for one in showings],
    )
    rows = []
    for one, judged in zip(showings, judgements, strict=True):
        parsed = parse_answer(one.answer, one.auction.candidates)
        clicked = {verdict.ad_id for verdict in judged if verdict.clicked}
        probabilities = user.click_probabilities(one.auction, one.answer)
        chances = (
            {ad_id: float(ad_id in clicked) for ad_id in parsed.ad_ids} if probabilities is None else probabilities
        )
        row = outcome_row(contender, one, parsed, chances, clicked, profile, bounds.get(one.auction.query.query_id))
        if probabilities is None:
            row["flooded"] = None
        unjudged = any(verdict.clicked is None for verdict in judged) or any(map(isnan, one.payments.values()))
        if probabilities is None and unjudged:
            unknown = [None] * len(judged)
            row |= {**dict.fromkeys(OF_CLICKS), "click_probabilities": unknown, "clicks": unknown}
            row["payments"] = [None] * len(one.auction.candidates)
        rows.append(row)
    return pl.DataFrame(rows, schema=OUTCOME_SCHEMA)


def outcome_row(
    contender: Contender,
    shown: Shown,
    parsed: ParsedAnswer,
    probabilities: Mapping[str, float],
    clicked: Set[str],
    profile: Profile,
    bound: Bound | None,
) -> dict[str, Any]:
    """One row of `OUTCOME_SCHEMA`: what `shown` is worth, given its ads, their click probabilities and the clicks."""
    auction = shown.auction
    earned, cost = expected_revenue(auction, probabilities), penalty_of(profile.reward).of(auction, parsed)
    value = earned if shown.values is None else expected_revenue(shown.values, probabilities)
    # A bid says what a click is worth to its advertiser: v_i = target_roi * b_i.
    welfare = profile.bidding.target_roi * earned
    payment = sum(shown.payments.values())
    return {
        "profile": profile.name,
        "seed": profile.seed,
        "mechanism": contender.mechanism,
        "iteration": contender.iteration,
        "variant": contender.variant,
        "query_id": auction.query.query_id,
        "sample_index": shown.sample_index,
        "answer": shown.answer,
        "candidate_ad_ids": [ad.ad_id for ad in auction.candidates],
        "bids": list(auction.bids),
        "inserted_ad_ids": list(parsed.ad_ids),
        "click_probabilities": [float(probabilities[ad_id]) for ad_id in parsed.ad_ids],
        "clicks": [ad_id in clicked for ad_id in parsed.ad_ids],
        "revenue": float(sum(auction.bid_of(ad_id) for ad_id in clicked)),
        "expected_revenue": float(earned),
        "penalty": float(cost),
        "reward": float(value - cost),
        "payments": [float(shown.payments.get(ad.ad_id, 0.0)) for ad in auction.candidates],
        "payment": float(payment),
        "welfare": float(welfare),
        "utility": float(welfare - payment),
        "format_errors": parsed.format_errors,
        "n_ads": len(parsed.ad_ids),
        "flooded": bool(parsed.ad_ids) and not any(probabilities.values()),
        "tokens": shown.tokens,
        "characters": len(shown.answer),
        "generations": shown.generations,
        "generated_tokens": shown.generated_tokens,
        "seconds": float(shown.seconds),
        "clairvoyant_reward": bound.reward if bound else None,
        "clairvoyant_revenue": bound.revenue if bound else None,
    }


def check_paired(outcomes: pl.DataFrame) -> None:
    """Refuse outcomes that can't be compared: within a seed all contenders must have met the same queries and bids.

    Raises:
        ValueError: names the contender that differs and what to do.
    """
    first_of_seed: dict[Any, tuple[str, dict[str, Any]]] = {}
    by = ("seed", "mechanism", "iteration", "variant")
    for (seed, *names), part in outcomes.partition_by(by, as_dict=True, maintain_order=True).items():
        label = Contender(*names).label
        rows = part.select("query_id", "candidate_ad_ids", "bids").iter_rows()
        market = {query_id: (ad_ids, bids) for query_id, ad_ids, bids in rows}
        first_label, first = first_of_seed.setdefault(seed, (label, market))
        differing = sum(first.get(query_id) != market.get(query_id) for query_id in first.keys() | market.keys())
        if differing:
            raise ValueError(
                f"seed {seed}: the outcomes of {label} and {first_label} differ in the queries, candidates or bids of "
                f"{differing} test queries; materialize mechanism_outcomes of both again so that they can be compared"
            )


def pool_seeds(frames: Iterable[pl.DataFrame]) -> tuple[pl.DataFrame, list[Contender]]:
    """Put the outcomes of several runs into one table, and keep what every seed has.

    Returns the table and the contenders left out because some seed lacks them.

    Raises:
        ValueError: two frames of the same seed, or of different profiles.
    """
    tables = list(frames)
    keys = [(table["profile"][0], table["seed"][0]) for table in tables]
    if len(set(keys)) < len(keys) or len({profile for profile, _ in keys}) > 1:
        raise ValueError(f"runs to pool must share one profile and differ in their seeds, got {keys}")
    pooled = pl.concat(tables)
    counts = pooled.group_by(CONTENDER_COLUMNS).agg(pl.col("seed").n_unique().alias("seeds"))
    partial = counts.filter(pl.col("seeds") < len(tables)).select(CONTENDER_COLUMNS)
    kept = pooled.join(partial, on=CONTENDER_COLUMNS, how="anti", nulls_equal=True)
    return kept, contenders(partial)


def of_contender(frame: pl.DataFrame, contender: Contender) -> pl.DataFrame:
    """The rows of one contender, in their order, of any table that has `CONTENDER_COLUMNS`."""
    return frame.filter(
        *(pl.col(name).eq_missing(pl.lit(getattr(contender, name), pl.String)) for name in CONTENDER_COLUMNS)
    )


def contenders(outcomes: pl.DataFrame) -> list[Contender]:
    """The contenders of a table of outcomes: baselines first, then by mechanism, iteration and variant."""
    order = ("pretrained", "rag_auction", "mosaic", "mosaic_tuned", "best_of_n", "llm_auction", "oracle")
    found = [Contender(*row) for row in outcomes.select(CONTENDER_COLUMNS).unique().iter_rows()]
    rank = {name: position for position, name in enumerate(order)}
    return sorted(
        found,
        key=lambda one: (
            one.mechanism == "clairvoyant",  # the bound closes every table
            rank.get(one.mechanism, len(order)),
            one.mechanism,
            one.iteration or "",
            _setting(one),
        ),
    )


def _setting(contender: Contender) -> tuple[float, str]:
    # By number; "argmax" is the limit of tau -> 0, so it stands before the numbers, and what has no number after them.
    text = contender.variant or ""
    try:
        return float(text.rpartition("=")[2]), text
    except ValueError:
        return -1.0 if text in ("", "argmax") else float("inf"), text
