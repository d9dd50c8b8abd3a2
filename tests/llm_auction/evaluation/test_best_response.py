"""Best responses on a click model with a known equilibrium, and on none at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from llm_auction.evaluation.best_response import SHADES, play
from llm_auction.market import Ad, Auction, Query, UserProfile

ADS = tuple(Ad(str(index), f"Thing {index}", "") for index in range(3))


def auction(*values: int, name: str = "q") -> Auction:
    return Auction(Query(name, "u", "?"), UserProfile("u", ""), ADS[: len(values)], values)


def independent(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
    """Each ad's itctr is its own bid / 100, whatever the others bid: half the value is the best bid."""
    return [np.tile(np.array(one.bids) / 100, (4, 1)) for one in auctions]


def test_bids_settle_at_the_known_best_response() -> None:
    rounds = play([auction(40, 80), auction(100, name="r")], independent, 4, 100, seed=0)
    # Every advertiser moves once, to the share of its value that lies nearest to a half, and then stays.
    assert [one.number for one in rounds] == [0, 1, 2]
    assert [one.moved for one in rounds] == [0.0, 1.0, 0.0]
    nearest = min(SHADES, key=lambda share: abs(share - 0.5))
    assert rounds[-1].bid_share.value == pytest.approx(nearest)
    assert rounds[-1].revenue_share.value == pytest.approx(nearest**2)
    assert rounds[0].price_share.value == pytest.approx(1.0)
    assert rounds[-1].price_share.value == pytest.approx(nearest)
    assert rounds[0].utility.value == pytest.approx(0.0)
    assert rounds[0].revenue.value == pytest.approx(((40**2 + 80**2) / 100 + 100) / 2)


def test_nobody_moves_for_noise() -> None:
    def noise(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
        """Flat in the bid but for noise so large that any bid may look best."""
        rng = np.random.default_rng([seed, *(bid for one in auctions for bid in one.bids)])
        return [rng.choice([0.0, 1.0], (4, len(one.bids)), p=[0.98, 0.02]) for one in auctions]

    assert play([auction(50)], noise, 3, 50, seed=1)[-1].bid_share.value == 1.0


def test_a_flat_curve_drives_bids_down() -> None:
    def flat(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
        return [np.full((4, len(one.bids)), 0.3) for one in auctions]

    rounds = play([auction(50, 100)], flat, 3, 50, seed=0)
    assert rounds[-1].bid_share.value == pytest.approx(min(SHADES))


def test_every_query_keeps_its_place_in_every_call() -> None:
    names = []

    def listen(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
        names.append([one.query.query_id for one in auctions])
        return independent(auctions, seed)

    play([auction(5, name="a"), auction(0, 70, name="b"), auction(name="c")], listen, 1, 10, seed=0)
    assert {tuple(one) for one in names} == {("a", "b", "c")}


def test_zero_values_and_no_candidates_are_no_players() -> None:
    rounds = play([auction(0, 0), auction(name="r")], independent, 2, 10, seed=0)
    assert [one.moved for one in rounds] == [0.0, 0.0]
    assert rounds[-1].revenue.value == 0.0 and rounds[-1].revenue_share.value is None


def test_unjudged_clicks_are_left_out_of_the_means() -> None:
    def partly(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
        found = independent(auctions, seed)
        for clicks in found:
            clicks[1] = np.nan
        return found

    auctions = [auction(40, 80), auction(100, name="r")]
    found, expected = (play(auctions, sample, 4, 100, seed=0) for sample in (partly, independent))
    assert [(one.moved, one.n) for one in found] == [(one.moved, one.n) for one in expected]
    for name in ("revenue", "utility", "bid_share"):
        values = [getattr(one, name).value for one in found]
        assert values == pytest.approx([getattr(one, name).value for one in expected])


def test_a_query_with_an_ad_that_was_never_judged_is_left_out() -> None:
    def partly(auctions: Sequence[Auction], seed: int) -> list[np.ndarray]:
        found = independent(auctions, seed)
        found[0][:, 1] = np.nan
        return found

    rounds = play([auction(40, 80), auction(100, name="r")], partly, 4, 100, seed=0)
    assert {one.n for one in rounds} == {1} and rounds[0].revenue.value == pytest.approx(100.0)
