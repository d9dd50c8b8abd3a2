"""Probes: the paper's ladder over every ad's own range, and who takes part under a reserve price."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_auction.evaluation.continuity import ladder
from llm_auction.evaluation.monotonicity import LADDER, random_probe
from llm_auction.evaluation.probes import Probe, ladders, stretched
from llm_auction.market import Auction
from llm_auction.profiles.schema import BiddingConfig
from tests.synthetic_study import synthetic_auctions, synthetic_profile

AUCTION = synthetic_auctions(synthetic_profile(queries=1))[0]


def with_range(auction: Auction, place: int, low: int, high: int) -> Auction:
    ads = [replace(ad, bid_low=low, bid_high=high) if at == place else ad for at, ad in enumerate(auction.candidates)]
    return replace(auction, candidates=tuple(ads))


@pytest.mark.parametrize("bids", [LADDER, ladder(1), ladder(3), ladder(50)])
def test_the_papers_range_has_the_papers_bids(bids: tuple[int, ...]) -> None:
    assert stretched(bids, 1, 100) == bids


def test_other_ranges_have_as_many_steps_from_end_to_end() -> None:
    assert stretched(LADDER, 1, 1000) == (1, 92, 193, 294, 395, 495, 596, 697, 798, 899, 1000)
    assert stretched(LADDER, 0, 99) == tuple(bid - 1 for bid in LADDER)


def test_an_ad_climbs_its_own_range_and_one_of_few_bids_is_not_probed() -> None:
    found = ladders(with_range(AUCTION, 0, 10, 500), LADDER, BiddingConfig(low=1, high=1000))
    assert [(bids[0], bids[-1]) for bids in found.values()] == [(10, 500)] + [(1, 1000)] * (len(AUCTION.bids) - 1)
    fixed = with_range(AUCTION, 0, 7, 7)
    assert AUCTION.candidates[0].ad_id not in ladders(fixed, LADDER, BiddingConfig())
    probed = {random_probe(fixed, BiddingConfig(), seed).ad_id for seed in range(60)}
    assert probed == {ad.ad_id for ad in AUCTION.candidates[1:]}


def test_bids_too_few_for_the_check_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bid 1 to 5, and none .* 11 different bids.*bidding\.low"):
        random_probe(AUCTION, BiddingConfig(low=1, high=5), seed=0)


def test_under_a_reserve_only_those_take_part_that_bid_it() -> None:
    ad_id = AUCTION.candidates[2].ad_id
    probe = Probe(AUCTION, ad_id, (10, 90), reserve=50.0)
    others = [ad.ad_id for ad, bid in zip(AUCTION.candidates, AUCTION.bids, strict=True) if bid >= 50]
    below, above = probe.at(0), probe.at(1)
    assert [ad.ad_id for ad in below.candidates] == [one for one in others if one != ad_id]
    assert above.bid_of(ad_id) == 90 and min(above.bids) >= 50
    assert {ad.ad_id for ad in probe.entered.candidates} == {ad_id, *others}
    assert Probe(AUCTION, ad_id, (10, 90)).entered == AUCTION
