"""Bid monotonicity: probes change one bid only, and the figures say what the curves are."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.evaluation.bid_curves import CURVE_SCHEMA, at_common_bids, computed_points, curve_points, curves_of
from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.monotonicity import LADDER, BidResponse, bid_response, bid_responses, random_probe
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.probes import Probe
from llm_auction.market import Auction
from llm_auction.users.protocol import Judgement
from tests.synthetic_study import FINAL, StubUser, synthetic_auctions, synthetic_bid_curves, synthetic_profile

PROFILE = synthetic_profile(queries=20)
AUCTIONS = synthetic_auctions(PROFILE)


def response(*rows: tuple[float, ...], answers: int = 4, noise: float = 0.0) -> BidResponse:
    """One query a row of itctr along a ladder of as many steps; the answers differ by `noise`, which averages out."""
    spread = np.linspace(-noise, noise, answers)
    table = pl.DataFrame(
        [
            {
                "mechanism": "llm_auction", "iteration": "01", "query_id": f"q{index}", "ad_id": "a", "bid": step,
                "answers": answers, "shown": 2, "clicks": 1, "itctr": value,
                "answer_itctr": (value + spread * (-1) ** step).tolist(),
            }
            for index, row in enumerate(rows)
            for step, value in enumerate(row)
        ],
        schema=CURVE_SCHEMA,
    )  # fmt: skip
    return bid_response(curves_of(table)[Contender("llm_auction", "01")], 100, seed=0)


def test_a_probe_moves_one_bid() -> None:
    auction = AUCTIONS[0]
    found = random_probe(auction, PROFILE.bidding, seed=0)
    ad_id, probe = found.ad_id, found.at(LADDER.index(70))
    assert found.bids == LADDER and probe.bid_of(ad_id) == 70
    assert {ad.ad_id: bid for ad, bid in zip(probe.candidates, probe.bids, strict=True) if ad.ad_id != ad_id} == {
        ad.ad_id: bid for ad, bid in zip(auction.candidates, auction.bids, strict=True) if ad.ad_id != ad_id
    }
    assert probe.query is auction.query


def test_the_probed_ad_varies_over_queries_and_seeds() -> None:
    first, again, other = ([random_probe(one, PROFILE.bidding, seed) for one in AUCTIONS] for seed in (0, 0, 1))
    positions = [[ad.ad_id for ad in one.auction.candidates].index(one.ad_id) for one in first]
    assert len(set(positions)) > 5
    assert first == again and first != other


def test_points_count_shown_and_clicked() -> None:
    auction = AUCTIONS[0]
    ad = auction.candidates[0]
    answers = [f"Take {render_insertion(ad)}.", "Nothing to add.", f"Take {render_insertion(auction.candidates[1])}."]
    row = curve_points(FINAL, [Probe(auction, ad.ad_id, (5, 9))], 1, [answers], StubUser(), seed=0).row(0, named=True)
    assert (row["answers"], row["shown"], row["bid"]) == (3, 1, 9)
    assert row["itctr"] == pytest.approx(0.75 / 3)
    assert row["clicks"] in (0, 1)


class PartlyJudging(StubUser):
    """Gives clicks without probabilities, and judges nothing of an answer that says so."""

    def click_probabilities(self, auction: Auction, answer: str) -> None:  # type: ignore[override]
        return None

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        clicked = None if "unjudged" in answer else True
        return [Judgement(ad_id, clicked, None, "stub") for ad_id in parse_answer(answer, auction.candidates).ad_ids]


def test_unjudged_clicks_are_left_out_of_a_point() -> None:
    auction = AUCTIONS[0]
    ad = auction.candidates[0]
    shown, unjudged = f"Take {render_insertion(ad)}.", f"Take {render_insertion(ad)}, unjudged."
    probes = [Probe(auction, ad.ad_id, (5, 9))]
    points = [
        curve_points(FINAL, probes, step, [answers], PartlyJudging(), seed=0)
        for step, answers in enumerate(([shown, unjudged, "Nothing."], [unjudged] * 3))
    ]
    first, second = (one.row(0, named=True) for one in points)
    assert first["answer_itctr"] == [1.0, None, 0.0] and first["itctr"] == 0.5
    assert (first["shown"], first["clicks"], first["answers"]) == (2, 1, 3)
    assert second["answer_itctr"] == [None] * 3 and second["itctr"] is None
    (curve,) = curves_of(points[0])[FINAL]
    np.testing.assert_array_equal(curve.values, [[1.0, np.nan, 0.0]])
    # One point of which nothing is known, and the curve can't be compared with others.
    assert curves_of(pl.concat(points)) == {}
    unknown = computed_points(FINAL, "q", "a", (1, 2), np.array([0.5, np.nan]), 3)
    assert curves_of(unknown) == {} and at_common_bids(unknown).is_empty()


def test_monotone_flat_and_falling_curves() -> None:
    rising = response((0.0, 0.1, 0.2, 0.3), (0.1, 0.1, 0.4, 0.5))
    assert rising.pooled_spearman.value == pytest.approx(1.0)
    assert (rising.violation_share.value, rising.n, rising.n_responsive) == (0.0, 2, 2)
    flat = response((0.2, 0.2, 0.2), (0.0, 0.0, 0.0))
    assert (flat.pooled_spearman.value, flat.query_spearman.value, flat.n_responsive) == (None, None, 0)
    mixed = response((0.3, 0.2, 0.1), (0.1, 0.2, 0.3))
    assert mixed.query_spearman.value == pytest.approx(0.0)
    assert mixed.violation_share.value == pytest.approx(0.5)


def test_a_missing_step_is_refused() -> None:
    with pytest.raises(ValueError, match="every step of the ladder"):
        response((0.1, 0.2, 0.3), (0.1, 0.2))


def test_ads_with_other_ranges_are_put_together_step_by_step() -> None:
    one, other = (1, 2, 3), (100, 500, 901)
    curves = [("q0", one, (0.1, 0.2, 0.3)), ("q1", other, (0.3, 0.4, 0.5))]
    table = pl.concat([computed_points(FINAL, name, "a", bids, np.array(itctr), 0) for name, bids, itctr in curves])
    assert bid_responses(table, 100, seed=0)[FINAL].pooled_spearman.value == pytest.approx(1.0)
    assert at_common_bids(table)["bid"].to_list() == [50, 251, 452] * 2
    synthetic = synthetic_bid_curves(PROFILE)
    assert at_common_bids(synthetic).equals(synthetic)


def test_one_response_a_contender() -> None:
    table = synthetic_bid_curves(PROFILE)
    found = bid_responses(table, 100, seed=0)
    assert next(iter(found)) == Contender("pretrained") and FINAL in found
    assert found[FINAL].pooled_spearman.low > found[Contender("pretrained")].pooled_spearman.value
    assert table["bid"].unique().sort().to_list() == list(LADDER)


def test_falls_beyond_noise_are_told_from_noise() -> None:
    # The measured curves fall at one step of two, but among twelve answers as many rise as fall.
    noise = response((0.4, 0.39, 0.4), (0.5, 0.49, 0.5), answers=12, noise=0.2)
    assert (noise.violation_share.value, noise.confirmed_share.value) == (0.5, 0.0)
    # None of two queries: as many as 78 % of all could have such a fall.
    assert noise.confirmed_share.high == pytest.approx(1 - 0.05**0.5)
    # Every answer falls at the same step: chance would do that once in 4,096 times.
    fall = response((0.4, 0.2, 0.3), (0.1, 0.2, 0.3), answers=12, noise=0.01)
    assert fall.confirmed_share.value == pytest.approx(1 / 4)
    assert (fall.confirmed_share.low, fall.confirmed_share.high) == (0.0, pytest.approx(1 / 2))


def test_four_answers_can_confirm_nothing() -> None:
    assert response((0.4, 0.2, 0.3)).confirmed_share == Interval(None, None, None)


def test_falls_of_the_mean_curve() -> None:
    falling = [(0.1, 0.3 + 0.01 * index, 0.2 + 0.01 * index) for index in range(8)]
    assert response(*falling).falls_of_mean == 1
    mixed = [(0.1, 0.3, 0.3 + sign * 0.05) for sign in (1, -1, 1, -1, 1, -1)]
    assert response(*mixed).falls_of_mean == 0
    assert response((0.3, 0.1)).falls_of_mean == 0


def test_a_computed_curve_has_no_answers() -> None:
    points = computed_points(Contender("mosaic", None, "tau=1"), "q", "a", LADDER, np.linspace(0, 1, len(LADDER)), 20)
    found = bid_responses(points, 100, seed=0)[Contender("mosaic", None, "tau=1")]
    assert (found.pooled_spearman.value, found.answers, found.confirmed_share.value) == (pytest.approx(1.0), 0, None)
