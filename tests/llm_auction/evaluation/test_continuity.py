"""Continuity: closed-form curves have the jump they should; sampling error is neither hidden nor taken for one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.evaluation.bid_curves import BidCurve, computed_points
from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.continuity import (
    SLOT_AUCTION,
    central_probe,
    continuity_figures,
    ladder,
    largest_jump,
    mean_share,
    point_intervals,
    slot_probe,
)
from llm_auction.evaluation.outcomes import Contender
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.profiles.schema import BiddingConfig
from llm_auction.users.protocol import Judgement
from tests.synthetic_study import StubUser, synthetic_auctions, synthetic_profile

BIDS = np.array(ladder(1))
BIDDING = BiddingConfig()
ADS = tuple(Ad(str(index), f"Thing {index}", "") for index in range(3))


def auction(*bids: int) -> Auction:
    return Auction(Query("q", "u", "?"), UserProfile("u", ""), ADS[: len(bids)], bids)


def computed(itctr: np.ndarray) -> BidCurve:
    return BidCurve("q", "a", BIDS, itctr, None)


def sampled(truth: np.ndarray, answers: int, seed: int = 0) -> BidCurve:
    """Answers that show the ad where their own uniform number lies below the true curve, as an engine's do."""
    uniforms = np.random.default_rng(seed).random(answers)
    values = (uniforms[None, :] < truth[:, None]).astype(float)
    return BidCurve("q", "a", BIDS, values.mean(axis=1), values)


LOGISTIC = 1 / (1 + np.exp(-(BIDS - 50) / 10))


def test_a_step_jumps_over_its_whole_range() -> None:
    jump = largest_jump(computed(np.where(BIDS >= 43, 0.6, 0.0)), 10, seed=0)
    assert (jump.bid, jump.size, jump.range) == (42, 0.6, 0.6)
    assert jump.share == Interval(1.0, 1.0, 1.0) and jump.steps_beyond_noise == 1


def test_a_logistic_curve_has_its_steepest_step() -> None:
    jump = largest_jump(computed(LOGISTIC), 10, seed=0)
    assert jump.bid in (49, 50) and jump.share.value == pytest.approx(0.025, abs=2e-3)


def test_a_sampled_step_is_found_and_a_smooth_curve_is_not_called_one() -> None:
    step = largest_jump(sampled(np.where(BIDS >= 43, 0.8, 0.1), 200), 500, seed=0)
    assert step.bid == 42 and step.share.low > 0.7 and step.share.high == 1.0 and step.steps_beyond_noise == 1
    smooth = largest_jump(sampled(LOGISTIC, 200), 500, seed=0)
    assert smooth.share.low == 0.0 and 0.025 < smooth.share.high < 0.25
    assert smooth.steps_beyond_noise == 0


def test_bounds_hold_the_true_share() -> None:
    truth = largest_jump(computed(LOGISTIC), 1, seed=0).share.value
    found = [largest_jump(sampled(LOGISTIC, 60, seed), 200, seed=0).share for seed in range(40)]
    assert sum(one.low <= truth <= one.high for one in found) >= 38


def test_an_ad_that_never_shows_has_no_share() -> None:
    jump = largest_jump(sampled(np.zeros(100), 20), 50, seed=0)
    assert jump.share == Interval(None, None, None) and (jump.range, jump.steps_beyond_noise) == (0.0, 0)
    assert mean_share([computed(np.zeros(100))], 50, seed=0) == (Interval(None, None, None), 0)


def test_mean_share_leaves_flat_curves_out() -> None:
    curves = [computed(np.zeros(100)), computed(np.where(BIDS >= 20, 0.5, 0.0)), computed(LOGISTIC)]
    share, queries = mean_share(curves, 100, seed=0)
    assert queries == 2 and share.value == pytest.approx((1 + largest_jump(curves[2], 1, 0).share.value) / 2)


def test_point_intervals_hold_the_curve() -> None:
    curve = sampled(LOGISTIC, 100)
    low, high = point_intervals(curve, 300, seed=0)
    assert (low <= curve.itctr).all() and (curve.itctr <= high).all() and (high - low).max() > 0.1


def test_unjudged_answers_widen_no_jump() -> None:
    """Half of the answers at one bid without a verdict: counted as none, they would make the curve jump there."""
    whole = sampled(np.full(100, 0.6), 200)
    values = whole.values.copy()
    values[50, ::2] = np.nan
    partly = BidCurve("q", "a", BIDS, np.nanmean(values, axis=1), values)
    jump = largest_jump(partly, 200, seed=0)
    assert jump.steps_beyond_noise == 0 and jump.size < 0.1
    low, high = point_intervals(partly, 200, seed=0)
    assert np.isfinite(low).all() and (high - low)[50] > (high - low)[49]
    as_none = BidCurve("q", "a", BIDS, np.nan_to_num(values).mean(axis=1), np.nan_to_num(values))
    assert largest_jump(as_none, 200, seed=0).steps_beyond_noise == 2


class PartlyJudging(StubUser):
    """Clicks every ad, and judges the first two of the catalog alone."""

    def click_probabilities(self, auction: Auction, answer: str) -> None:  # type: ignore[override]
        return None

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        return [
            Judgement(ad_id, True if ad_id in ("0", "1") else None, None, "stub")
            for ad_id in parse_answer(answer, auction.candidates).ad_ids
        ]


def test_an_ad_that_nobody_judged_takes_no_part_in_the_slot_auction() -> None:
    probe = slot_probe(auction(10, 60, 99), PartlyJudging(), ladder(1), BIDDING)
    assert (probe.ad_id, probe.threshold) == ("0", 60)
    strange = Auction(Query("q", "u", "?"), UserProfile("u", ""), ADS[2:], (50,))
    with pytest.raises(ValueError, match="query q: the User-LLM judged none of the ads"):
        slot_probe(strange, PartlyJudging(), ladder(1), BIDDING)


def test_the_slot_turns_over_where_bid_times_clicks_overtakes() -> None:
    one = auction(10, 80, 40)
    user = StubUser()
    probe = slot_probe(one, user, ladder(1), BIDDING)
    clicks = {ad.ad_id: user.click_probabilities(one, render_insertion(ad))[ad.ad_id] for ad in ADS}
    others = [one.bid_of(ad.ad_id) * clicks[ad.ad_id] for ad in ADS if ad.ad_id != probe.ad_id]
    assert probe.threshold == pytest.approx(max(others) / clicks[probe.ad_id])
    curve = probe.slot_itctr
    assert curve[probe.threshold > BIDS].max() == 0.0
    assert set(curve[probe.threshold <= BIDS]) == {clicks[probe.ad_id]}


@pytest.mark.parametrize("bids", [(7,), (0, 0, 0)])
def test_without_competition_the_slot_has_no_step(bids: tuple[int, ...]) -> None:
    probe = slot_probe(auction(*bids), StubUser(), ladder(1), BIDDING)
    assert probe.threshold == 0.0
    assert largest_jump(computed(probe.slot_itctr), 1, seed=0).share.value is None


def test_the_close_look_takes_the_step_nearest_to_the_middle() -> None:
    market = synthetic_auctions(synthetic_profile(queries=12))
    probes = [slot_probe(one, StubUser(), ladder(1), BIDDING) for one in market]
    chosen = central_probe(probes)
    assert abs(chosen.threshold - 50.5) == min(abs(probe.threshold - 50.5) for probe in probes)


def test_the_middle_is_that_of_the_ads_own_range() -> None:
    bidding = BiddingConfig(low=0, high=1000)
    probe = slot_probe(auction(100, 800, 400), StubUser(), ladder(1), bidding)
    assert (probe.bids[0], probe.bids[-1], len(probe.bids)) == (0, 1000, 100)
    assert probe.off_centre == pytest.approx(abs(probe.threshold - 500) / 1000)


def test_a_reserve_is_the_least_threshold_and_silences_those_below_it() -> None:
    alone = slot_probe(auction(10, 80, 40), StubUser(), ladder(1), BIDDING, reserve=90)
    assert alone.threshold == 90 and alone.reserve == 90
    curve = alone.slot_itctr
    assert (curve[BIDS < 90] == 0).all() and (curve[BIDS >= 90] > 0).all()


def test_an_incomplete_table_is_refused() -> None:
    points = computed_points(SLOT_AUCTION, "q", "a", ladder(1), LOGISTIC, 0)
    both = pl.concat([points.with_columns(scope=pl.lit(scope)) for scope in ("one_query", "many_queries")])
    assert list(continuity_figures(both, 10, seed=0)) == [Contender("slot_auction")]
    with pytest.raises(ValueError, match="materialize it again"):
        continuity_figures(both.filter(pl.col("scope") == "one_query"), 10, seed=0)
