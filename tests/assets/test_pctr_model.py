"""The asset `pctr_model` on a real DuckDB file with the columns of the marts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import duckdb
import numpy as np
import polars as pl
import pytest
from dagster import DagsterInstance, ExecuteInProcessResult, materialize

from assets.frames import ads_to_frame
from assets.partitions import irpo_key
from assets.pctr_model import load_conversions, load_feedback, pctr_model
from assets.reward_model_ablation import reward_model_ablation
from llm_auction.pctr.model import PctrModel
from llm_auction.pctr.split import split_impressions
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.evaluated_market import publish, publish_iteration
from tests.llm_auction.pctr.simulated_market import Market, bundled_ads, simulate

START = datetime(2026, 1, 1, tzinfo=UTC)


def mart_rows(market: Market, arm: str, iteration: str) -> tuple[list[dict], list[dict]]:
    """The rows of fct_ad_impressions and fct_responses that a market's feedback would give."""
    impressions, responses = [], {}
    for row, (impression, clicked, probability) in enumerate(
        zip(market.impressions, market.clicked, market.probabilities, strict=True)
    ):
        first = row - impression.position
        key = {"arm": arm, "iteration": iteration, "response_id": f"{iteration}-{first:05d}"}
        impressions.append(
            {
                **key,
                "ad_id": impression.ad.ad_id,
                "user_id": impression.user_id,
                "position": impression.position + 1,
                "clicked": bool(clicked),
                "click_probability": float(probability),
                "ts": START + timedelta(days=int(iteration) - 1 + first / len(market.impressions)),
            }
        )
        responses[first] = {
            **key,
            "user_id": impression.user_id,
            "query": impression.query,
            "profile": impression.profile,
            "answer": impression.answer,
            "policy_version": f"policy-{iteration}",
        }
    return impressions, list(responses.values())


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A warehouse with two iterations of one arm, the second's users asking again; and the catalog in the lake."""
    Lake(data_dir=str(tmp_path)).write("ad_catalog", ads_to_frame(bundled_ads()))
    write_warehouse(
        tmp_path,
        [
            mart_rows(simulate(900, seed=1, users=30), "llm_auction", "01"),
            mart_rows(simulate(900, seed=2, users=30), "llm_auction", "02"),
            mart_rows(simulate(60, seed=3, users=3), "oracle", "01"),
        ],
    )
    return tmp_path


def write_warehouse(data_dir: Path, parts: Sequence[tuple[list[dict], list[dict]]]) -> None:
    connection = duckdb.connect(str(data_dir / "warehouse.duckdb"))
    for index, table in enumerate(("fct_ad_impressions", "fct_responses")):
        frame = pl.DataFrame([row for part in parts for row in part[index]])
        connection.register("frame", frame.to_arrow())
        connection.execute(f"create or replace table {table} as select * from frame order by random()")
    connection.close()


def run(
    data_dir: Path, iteration: str, instance: DagsterInstance, overrides: Mapping[str, str] = MappingProxyType({})
) -> ExecuteInProcessResult:
    directory = str(data_dir)
    return materialize(
        [pctr_model],
        instance=instance,
        partition_key=irpo_key("llm_auction", iteration),
        resources={
            "lake": Lake(data_dir=directory),
            "warehouse": Warehouse(data_dir=directory),
            "model_store": ModelStore(data_dir=directory),
            "profile": ProfileResource(
                profile="smoke",
                overrides={"pctr.max_epochs": "3", **{k.replace("__", "."): v for k, v in overrides.items()}},
            ),
        },
        raise_on_error=False,
    )


def test_an_iteration_without_impressions_of_held_out_users_is_fitted_and_not_judged(data_dir: Path) -> None:
    first, second = simulate(900, seed=1, users=30), simulate(900, seed=2, users=30)
    share = ProfileResource(profile="smoke").get().pctr.validation_share
    test = split_impressions(first.impressions, share, seed=0)[0].test
    held_out = {first.impressions[row].user_id for row in test}
    impressions, responses = mart_rows(second, "llm_auction", "02")
    seen = [[row for row in rows if row["user_id"] not in held_out] for rows in (impressions, responses)]
    assert 0 < len(seen[0]) < len(impressions)
    write_warehouse(data_dir, [mart_rows(first, "llm_auction", "01"), (seen[0], seen[1])])
    with DagsterInstance.ephemeral() as instance:
        assert run(data_dir, "01", instance).success
        fitted = run(data_dir, "02", instance)
    assert fitted.success
    metadata = fitted.asset_materializations_for_node("pctr_model")[0].metadata
    assert metadata["after/n"].value == 0
    assert "reliability" not in metadata, "there is nothing to draw"
    assert all(result.passed for result in fitted.get_asset_check_evaluations())


def test_the_asset_fits_publishes_and_judges_before_and_after(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        assert run(data_dir, "01", instance).success
        second = run(data_dir, "02", instance)
        assert second.success
    metadata = second.asset_materializations_for_node("pctr_model")[0].metadata
    assert metadata["impressions"].value > 1700, "both iterations of the arm, and only this arm's"
    assert {"before/auc", "after/auc", "after/bayes_auc", "after/ece", "after/log_loss"} <= set(metadata)
    assert metadata["before/n"].value == metadata["after/n"].value > 0
    assert metadata["reliability"].value.startswith("![plot](data:image/png;base64,")
    assert "loss" in metadata
    checks = {result.check_name: result for result in second.get_asset_check_evaluations()}
    assert set(checks) == {"better_than_before", "calibrated"}
    assert "auc_before" in checks["better_than_before"].metadata
    version = ModelStore(data_dir=str(data_dir)).resolve("pctr", "llm_auction/02")
    assert version.metadata["arm"] == "llm_auction"
    model = PctrModel.load(version.path)
    assert np.all(model.predict(simulate(20, seed=9).impressions) > 0)


def test_the_same_feedback_gives_the_same_model(data_dir: Path) -> None:
    store = ModelStore(data_dir=str(data_dir))
    versions = []
    for _ in range(2):
        with DagsterInstance.ephemeral() as instance:
            assert run(data_dir, "01", instance).success
        versions.append(store.resolve("pctr", "llm_auction/01").version)
    assert versions[0] == versions[1]


def test_the_order_of_feedback_is_that_of_its_showing_whatever_answers_are_called(tmp_path: Path) -> None:
    """Ids of answers hold their arm, and arms that share their luck are to fit on the same rows in the same order."""
    market, ads = simulate(60, seed=4, users=5), {ad.ad_id: ad for ad in bundled_ads()}
    other = mart_rows(market, "no_iteration", "01")
    for row in (*other[0], *other[1]):
        row["response_id"] = row["response_id"][::-1]
    write_warehouse(tmp_path, [mart_rows(market, "ablation_base", "01"), other])
    warehouse = Warehouse(data_dir=str(tmp_path))
    first, second = (load_feedback(warehouse, ads, arm, "00", "01") for arm in ("ablation_base", "no_iteration"))
    assert first.impressions == second.impressions
    np.testing.assert_array_equal(first.clicked, second.clicked)


def test_without_accumulation_only_the_newest_feedback_is_read(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        assert run(data_dir, "01", instance).success
        second = run(data_dir, "02", instance, {"pctr.accumulate": "false"})
        assert second.success
    assert second.asset_materializations_for_node("pctr_model")[0].metadata["impressions"].value < 1200


def test_an_iteration_without_impressions_is_a_clear_error(data_dir: Path) -> None:
    ads = {ad.ad_id: ad for ad in bundled_ads()}
    warehouse = Warehouse(data_dir=str(data_dir))
    with pytest.raises(ValueError, match=r"no impressions of arm llm_auction, iteration 03"):
        load_feedback(warehouse, ads, "llm_auction", "00", "03")


def test_an_ad_that_left_the_catalog_is_a_clear_error(data_dir: Path) -> None:
    ads = {ad.ad_id: ad for ad in bundled_ads()[:3]}
    with pytest.raises(ValueError, match="ad_catalog lacks"):
        load_feedback(Warehouse(data_dir=str(data_dir)), ads, "llm_auction", "00", "01")


def test_real_users_have_no_known_probabilities(data_dir: Path) -> None:
    impressions, responses = mart_rows(simulate(60, seed=4, users=5), "llm_auction", "01")
    write_warehouse(
        data_dir, [([{**row, "click_probability": None} for row in impressions[:-1]] + impressions[-1:], responses)]
    )
    ads = {ad.ad_id: ad for ad in bundled_ads()}
    feedback = load_feedback(Warehouse(data_dir=str(data_dir)), ads, "llm_auction", "00", "01")
    assert feedback.probabilities is None
    assert all(impression.n_ads == len(impression.shown) for impression in feedback.impressions)


def test_an_arm_without_refits_keeps_its_first_model(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        assert run(data_dir, "01", instance).success
        kept = run(data_dir, "02", instance, {"pctr.refit": "false"})
        assert kept.success
    store = ModelStore(data_dir=str(data_dir))
    versions = [store.resolve("pctr", f"llm_auction/{iteration}") for iteration in ("01", "02")]
    assert versions[0].version == versions[1].version
    metadata = kept.asset_materializations_for_node("pctr_model")[0].metadata
    assert metadata["before/auc"].value == metadata["after/auc"].value
    assert versions[0].metadata["metrics"]["after/auc"] != versions[1].metadata["metrics"]["after/auc"]
    assert "loss" not in metadata


def test_an_arm_without_refits_needs_its_first_model(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        failed = run(data_dir, "02", instance, {"pctr.refit": "false"})
    assert not failed.success
    (failure,) = [event for event in failed.all_events if event.event_type_value == "STEP_FAILURE"]
    assert "pctr_model[llm_auction|01]" in str(failure.event_specific_data)


def test_the_model_may_be_kept_from_the_answer(data_dir: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        assert run(data_dir, "01", instance, {"pctr.answer_features": "false"}).success
    model = PctrModel.load(ModelStore(data_dir=str(data_dir)).resolve("pctr", "llm_auction/01").path)
    assert not model.settings.use_answer_features


def test_conversions_count_once_their_window_is_over(data_dir: Path) -> None:
    every_third_click = """
        create table fct_ad_conversions as
        select arm, iteration, response_id, ad_id from fct_ad_impressions
        where clicked qualify row_number() over (order by iteration, response_id, ad_id) % 3 = 0
    """
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.execute(every_third_click)
    warehouse = Warehouse(data_dir=str(data_dir))
    early = load_conversions(warehouse, 6.0, "llm_auction", "00", "01")
    late = load_conversions(warehouse, 6.0, "llm_auction", "00", "02")
    assert 0 < early.mature.sum() < len(early.mature), "the last six hours of the day are too young"
    assert late.mature[: len(early.mature)].all(), "a day later they are not"
    with DagsterInstance.ephemeral() as instance:
        result = run(data_dir, "01", instance, {"reward.bids_on": "conversions"})
    assert result.success
    metadata = result.asset_materializations_for_node("pctr_model")[0].metadata
    assert 0 < metadata["after/conversion_n"].value <= metadata["after/n"].value
    model = PctrModel.load(ModelStore(data_dir=str(data_dir)).resolve("pctr", "llm_auction/01").path)
    assert model.conversion is not None


@pytest.mark.slow
def test_the_ablation_takes_the_feedback_of_every_iteration(data_dir: Path) -> None:
    store, lake = ModelStore(data_dir=str(data_dir)), Lake(data_dir=str(data_dir))
    policy = publish(store, "base", 0.0)
    for iteration in ("01", "02"):
        policy = publish_iteration(store, "llm_auction", iteration, 0.5, policy)
    result = materialize(
        [reward_model_ablation],
        instance=DagsterInstance.ephemeral(),
        resources={
            "lake": lake,
            "warehouse": Warehouse(data_dir=str(data_dir)),
            "model_store": store,
            "profile": ProfileResource(profile="smoke", overrides={"pctr.max_epochs": "1"}),
        },
    )
    assert lake.read("reward_model_ablation").height == 2 * 4
    metadata = result.asset_materializations_for_node("reward_model_ablation")[0].metadata
    assert "without the answer" in metadata["summary"].value
