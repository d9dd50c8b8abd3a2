"""The conversion head: what it learns from few labels, that young ones teach nothing, and that it survives saving."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_auction.pctr.conversions import ConversionLabels, conversion_quality, with_conversions
from llm_auction.pctr.fit import FitResult, fit_pctr
from llm_auction.pctr.model import PctrModel
from llm_auction.profiles.schema import PctrConfig
from llm_auction.users.conversions import ParametricBuyer
from tests.llm_auction.pctr.simulated_market import Market, bundled_ads, simulate


def truth(market: Market) -> np.ndarray:
    buyer = ParametricBuyer(bundled_ads())
    return np.array([buyer.probability(a, i.ad) for a, i in zip(market.auctions, market.impressions, strict=True)])


@pytest.fixture(scope="module")
def market() -> Market:
    return simulate(1200, seed=1)


@pytest.fixture(scope="module")
def fitted(market: Market) -> FitResult:
    return fit_pctr(market.impressions, market.clicked, PctrConfig(max_epochs=2), 0, members=1)


@pytest.fixture(scope="module")
def labels(market: Market) -> ConversionLabels:
    converted = market.clicked & (np.random.default_rng(0).random(len(market.clicked)) < truth(market))
    return ConversionLabels(converted, np.ones(len(converted), dtype=bool))


@pytest.fixture(scope="module")
def model(market: Market, fitted: FitResult, labels: ConversionLabels) -> PctrModel:
    return with_conversions(fitted.model, market.impressions, labels, fitted.test)


def test_a_few_dozen_conversions_teach_which_ads_convert(model: PctrModel, labels: ConversionLabels) -> None:
    assert labels.converted.sum() < 100
    unseen = simulate(600, seed=9, label="unseen")
    rates, true = model.predict_conversions(unseen.impressions), truth(unseen)
    assert np.corrcoef(rates, true)[0, 1] > 0.4
    assert rates.mean() == pytest.approx(true.mean(), rel=0.4)


def test_the_click_model_stays_as_it_is(market: Market, fitted: FitResult, model: PctrModel) -> None:
    some = market.impressions[:20]
    assert model.predict(some).tolist() == fitted.model.predict(some).tolist()
    assert fitted.model.conversion is None
    with pytest.raises(ValueError, match="knows nothing of conversions"):
        fitted.model.predict_conversions(some)


def test_what_the_answer_says_changes_no_conversion(market: Market, model: PctrModel) -> None:
    one = market.impressions[0]
    silent = replace(one, answer="", position=0, n_ads=1, shown=())
    assert model.predict_conversions([one]) == pytest.approx(model.predict_conversions([silent]))


def test_labels_that_are_not_mature_teach_nothing(
    market: Market, fitted: FitResult, labels: ConversionLabels, model: PctrModel
) -> None:
    mature = np.arange(len(market.impressions)) < 800
    some = ConversionLabels(labels.converted, mature)
    other = ConversionLabels(np.where(mature, labels.converted, ~labels.converted), mature)
    heads = [
        with_conversions(fitted.model, market.impressions, one, fitted.test).conversion for one in (some, other, labels)
    ]
    assert heads[0] == heads[1] != heads[2]
    assert heads[2] == model.conversion
    with pytest.raises(ValueError, match="conversion_hours"):
        none = ConversionLabels(labels.converted, np.zeros(len(mature), dtype=bool))
        with_conversions(fitted.model, market.impressions, none, fitted.test)


def test_without_any_conversion_the_usual_rate_falls_and_nothing_breaks(market: Market, fitted: FitResult) -> None:
    none = ConversionLabels(np.zeros(len(market.clicked), dtype=bool), np.ones(len(market.clicked), dtype=bool))
    rates = with_conversions(fitted.model, market.impressions, none, fitted.test).predict_conversions(
        market.impressions[:50]
    )
    assert np.all((rates > 0) & (rates < 0.05))


def test_quality_is_that_of_the_product_on_held_out_users(
    market: Market, fitted: FitResult, labels: ConversionLabels, model: PctrModel
) -> None:
    found = conversion_quality(model, market.impressions, labels, fitted.test)
    assert found["conversion_n"] == len(fitted.test)
    assert found["conversion_mean_prediction"] == pytest.approx(found["conversion_rate"], abs=0.06)


def test_the_head_is_saved_with_the_model_and_only_then(tmp_path: Path, fitted: FitResult, model: PctrModel) -> None:
    model.save(tmp_path / "with")
    fitted.model.save(tmp_path / "without")
    assert PctrModel.load(tmp_path / "with").conversion == model.conversion
    assert PctrModel.load(tmp_path / "without").conversion is None
    assert '"conversion"' not in (tmp_path / "without" / "config.json").read_text()
