"""The optional conversion process: sparse, delayed, and without any say over clicks."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.seeds import generator
from llm_auction.users.conversions import ConversionParameters, ParametricBuyer, offer

ADS = tuple(Ad(str(number), f"Title {number}", "hiking boots") for number in range(50))
AUCTION = Auction(
    Query("q", "u", "boots for wet trails?", "hiking boots"),
    UserProfile("u", "Likes hiking.", ("hiking boots",)),
    ADS,
    (10,) * len(ADS),
)


def test_conversions_come_as_often_and_as_late_as_documented() -> None:
    buyer = ParametricBuyer(ADS)
    ids = [ad.ad_id for ad in ADS]
    draws = [buyer.convert(AUCTION, ids, generator(0, "test", number)) for number in range(400)]
    delays = np.array([one.after_hours for drawn in draws for one in drawn])
    expected = np.mean([buyer.probability(AUCTION, ad) for ad in ADS])
    assert len(delays) / (400 * len(ADS)) == pytest.approx(expected, rel=0.05)
    assert np.median(delays) == pytest.approx(buyer.parameters.median_delay_hours, rel=0.05)
    assert np.mean(delays > 5) == pytest.approx(0.05, abs=0.01)


def test_relevance_and_a_better_offer_convert_more_often() -> None:
    buyer = ParametricBuyer(ADS)
    rates = [buyer.probability(AUCTION, ad) for ad in ADS]
    assert list(np.argsort(rates)) == list(np.argsort([offer(ad) for ad in ADS]))
    stranger = Auction(Query("q", "u", "bread?", "baking"), UserProfile("u", "", ("baking",)), ADS, (10,) * len(ADS))
    assert all(buyer.probability(stranger, ad) < rate for ad, rate in zip(ADS, rates, strict=True))


def test_the_luck_of_an_ad_does_not_depend_on_the_others_before_it() -> None:
    buyer = ParametricBuyer(ADS)
    hopeless = ParametricBuyer(ADS, ConversionParameters(intercept=-50.0))
    assert hopeless.convert(AUCTION, ["0", "1"], generator(0, "a")) == []
    first = buyer.convert(AUCTION, ["0", "1", "2"], generator(0, "b"))
    longer = buyer.convert(AUCTION, ["0", "1", "2", "3"], generator(0, "b"))
    assert longer[: len(first)] == first


@pytest.mark.parametrize("field, value", [("query_weight", -1.0), ("delay_spread", -0.1), ("intercept", float("nan"))])
def test_a_wrong_parameter_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"conversion parameter {field}"):
        ConversionParameters(**{field: value})
