"""The fitted reward model: quality, reproducibility, and what save and load promise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_auction.answers import render_insertion
from llm_auction.pctr.fit import FitResult, evaluate_pctr, fit_pctr
from llm_auction.pctr.metrics import auc
from llm_auction.pctr.model import CONFIG_FILE, WEIGHTS_FILE, CorruptPctrModel, PctrModel
from llm_auction.pctr.split import split_impressions
from llm_auction.profiles.schema import PctrConfig
from tests.llm_auction.pctr.simulated_market import Market, simulate

QUICK = PctrConfig(max_epochs=2)


@pytest.fixture(scope="module")
def market() -> Market:
    return simulate(1500, seed=1, users=40)


@pytest.fixture(scope="module")
def fitted(market: Market) -> FitResult:
    return fit_pctr(market.impressions, market.clicked, QUICK, 0, true_probabilities=market.probabilities, members=1)


def test_unseen_users_are_ranked_far_better_than_by_chance(fitted: FitResult) -> None:
    test = simulate(1500, seed=2, users=40, label="test")
    figures = evaluate_pctr(fitted.model, test.impressions, test.clicked, test.probabilities)
    assert figures["auc"] > 0.72
    assert figures["auc"] < figures["bayes_auc"]
    assert abs(figures["mean_prediction"] - figures["click_rate"]) < 0.06


def test_the_metrics_are_those_of_the_test_rows(fitted: FitResult, market: Market) -> None:
    rows = [market.impressions[row] for row in fitted.test]
    figures = evaluate_pctr(fitted.model, rows, market.clicked[fitted.test], market.probabilities[fitted.test])
    assert figures["auc"] == pytest.approx(fitted.metrics["auc"])
    assert figures["ece"] == pytest.approx(fitted.metrics["ece"])
    assert len(fitted.test) == fitted.metrics["n"]
    assert {"bayes_auc", "log_loss", "split", "epochs", "seconds"} <= set(fitted.metrics)


def test_the_same_seed_gives_the_same_model(market: Market, fitted: FitResult) -> None:
    again = fit_pctr(market.impressions, market.clicked, QUICK, 0, members=1)
    rows = market.impressions[:50]
    assert np.array_equal(again.model.predict(rows), fitted.model.predict(rows))


def test_impressions_of_no_weight_teach_nothing(market: Market, fitted: FitResult) -> None:
    n = len(market.impressions)
    alike = fit_pctr(market.impressions, market.clicked, QUICK, 0, members=1, weights=np.full(n, 3.0))
    rows = market.impressions[:50]
    assert np.array_equal(alike.model.predict(rows), fitted.model.predict(rows))
    # The second copy of the market has its clicks turned round: only its weight decides what is learnt.
    both, clicked = market.impressions * 2, np.concatenate([market.clicked, ~market.clicked])
    for weights, least, most in (((1.0, 0.0), 0.65, 1.0), ((0.0, 1.0), 0.0, 0.35)):
        model = fit_pctr(both, clicked, QUICK, 0, members=1, weights=np.repeat(weights, n)).model
        assert least < auc(model.predict(market.impressions), market.clicked) < most


@pytest.mark.parametrize("weights", [np.ones(3), np.zeros(30), np.full(30, -1.0), np.full(30, np.nan)])
def test_weights_that_mean_nothing_are_refused(market: Market, weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match="the weights of 30 impressions"):
        fit_pctr(market.impressions[:30], market.clicked[:30], QUICK, 0, weights=weights)


def test_a_prediction_does_not_depend_on_what_is_predicted_beside_it(market: Market, fitted: FitResult) -> None:
    together = fitted.model.predict(market.impressions[:40])
    alone = np.concatenate([fitted.model.predict([impression]) for impression in market.impressions[:40]])
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert len(fitted.model.predict([])) == 0


def test_unknown_users_ads_and_categories_are_predicted(market: Market, fitted: FitResult) -> None:
    ad = replace(market.impressions[0].ad, ad_id="new", title="Brand New Thing", category="never seen")
    stranger = replace(market.impressions[0], user_id="nobody", ad=ad, shown=(ad,), answer="@Brand New Thing@[Ad-new]")
    probability = fitted.model.predict([stranger])
    assert probability.shape == (1,)
    assert 0 < probability[0] < 1


def test_users_and_ads_that_taught_nothing_are_taken_as_unknown_ones(market: Market) -> None:
    impressions = list(market.impressions)
    split = split_impressions(impressions, QUICK.validation_share, 0, members=1)[0]
    # An ad that only a test user saw.
    one = impressions[split.test[0]]
    rare = replace(one.ad, ad_id="rare")
    impressions[split.test[0]] = replace(one, ad=rare, shown=(rare,), answer=render_insertion(rare))
    fitted = fit_pctr(impressions, market.clicked, QUICK, 0, members=1).model
    taught = [impressions[row] for row in split.train]
    users, ads = {one.user_id for one in taught}, {one.ad.ad_id for one in taught}
    assert as_unknown(fitted, "user") == {one.user_id for one in impressions} - users != set()
    assert as_unknown(fitted, "ad") == as_unknown(fitted, "ad_topic") == {one.ad.ad_id for one in impressions} - ads
    assert "rare" in as_unknown(fitted, "ad")

    # A model that continues keeps what the one before knew of users that teach it nothing.
    newer = simulate(400, seed=5, users=20, label="later")
    both = [*taught, *newer.impressions]
    clicked = np.concatenate([market.clicked[split.train], newer.clicked])
    later = fit_pctr(both, clicked, QUICK, 1, members=1, start=fitted).model
    train = split_impressions(both, QUICK.validation_share, 1, members=1)[0].train
    met = {both[row].user_id for row in train}
    assert not users <= met
    assert as_unknown(later, "user").isdisjoint(users)
    assert as_unknown(later, "user") >= {one.user_id for one in newer.impressions} - met != set()


def as_unknown(model: PctrModel, table: str) -> set[str]:
    """The ids whose row of an embedding is that of unknown ones, row 0."""
    rows = model.networks[0].get_submodule(table).weight
    ids = model.settings.users if table == "user" else model.settings.ads
    return {name for name, row in zip(ids, rows[1:], strict=True) if bool((row == rows[0]).all())}


def test_without_answer_features_the_answer_changes_nothing(market: Market) -> None:
    model = fit_pctr(market.impressions, market.clicked, QUICK, 0, members=1, use_answer_features=False).model
    first = market.impressions[0]
    other = replace(first, answer="Sponsored! " + first.answer, shown=(first.ad,))
    assert model.predict([first]) == pytest.approx(model.predict([other]))


def test_continuing_keeps_what_was_learnt_and_takes_new_ads(market: Market, fitted: FitResult) -> None:
    newer = simulate(400, seed=5, users=20, label="later")
    result = fit_pctr(newer.impressions, newer.clicked, PctrConfig(max_epochs=1), 0, members=1, start=fitted.model)
    assert set(result.model.settings.users) == {impression.user_id for impression in newer.impressions}
    assert result.model.topics is fitted.model.topics


def test_a_saved_model_predicts_the_same(tmp_path: Path, market: Market, fitted: FitResult) -> None:
    fitted.model.save(tmp_path / "model")
    loaded = PctrModel.load(tmp_path / "model")
    rows = market.impressions[:50]
    assert np.array_equal(loaded.predict(rows), fitted.model.predict(rows))
    assert loaded.settings == fitted.model.settings
    assert loaded.metrics == json.loads(json.dumps(fitted.model.metrics))
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


def test_a_half_written_or_damaged_directory_is_one_clear_error(tmp_path: Path, fitted: FitResult) -> None:
    with pytest.raises(CorruptPctrModel, match="never completely written"):
        PctrModel.load(tmp_path / "missing")
    fitted.model.save(tmp_path)
    weights, config = tmp_path / WEIGHTS_FILE, tmp_path / CONFIG_FILE
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(CorruptPctrModel, match="doesn't match the checksum"):
        PctrModel.load(tmp_path)
    weights.unlink()
    with pytest.raises(CorruptPctrModel, match=f"can't read {WEIGHTS_FILE}"):
        PctrModel.load(tmp_path)
    weights.write_bytes(whole)
    text = config.read_text(encoding="utf-8")
    for broken, message in (
        (text[:200], "can't be read"),
        (text.replace('"format": 1', '"format": 99'), "another version"),
        (text.replace('"members": 1', '"members": 2'), "doesn't fit the weights"),
    ):
        config.write_text(broken, encoding="utf-8")
        with pytest.raises(CorruptPctrModel, match=message):
            PctrModel.load(tmp_path)
    config.unlink()
    with pytest.raises(CorruptPctrModel, match="never completely written"):
        PctrModel.load(tmp_path)


def test_feedback_that_teaches_nothing_is_refused(market: Market) -> None:
    rows = market.impressions[:30]
    with pytest.raises(ValueError, match="no impressions to fit on"):
        fit_pctr([], np.zeros(0, dtype=bool), QUICK, 0)
    with pytest.raises(ValueError, match="30 impressions but 2 click labels"):
        fit_pctr(rows, np.asarray([True, False]), QUICK, 0)
    for value in (True, False):
        with pytest.raises(ValueError, match="needs clicked and unclicked impressions"):
            fit_pctr(rows, np.full(30, value), QUICK, 0)
    with pytest.raises(ValueError, match="too few to hold some out"):
        fit_pctr(rows[:2] * 5, np.arange(10) % 2 == 0, QUICK, 0)
