"""The nightly refit and its champion on a warehouse of a few days: who learns from what, and who is promoted."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    ExecuteInProcessResult,
    materialize,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.utils import make_new_run_id

from assets.click_log_feedback import load_days
from assets.days import day_partitions
from assets.nightly_pctr_model import nightly_pctr_model
from assets.refused_days import GUARDS, refused_days
from assets.reward_model_champion import reward_model_champion
from llm_auction.pctr.model import PctrModel
from resources.champion import Champion
from resources.lake import Lake
from resources.model_store import ModelStore, ModelVersion
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.click_log_warehouse import day_of, edit, write_days
from tests.llm_auction.pctr.simulated_market import Market, bundled_ads, simulate

QUICK = MappingProxyType(
    {
        "pctr.max_epochs": "1",
        "nightly.min_impressions": "100",
        "nightly.bootstrap_resamples": "100",
        # Few impressions tell little: with the tolerances of a real log no night of this size could be promoted.
        "nightly.log_loss_tolerance": "0.1",
        "nightly.auc_tolerance": "0.1",
        "nightly.ece_tolerance": "0.1",
    }
)


@pytest.fixture(scope="module")
def markets() -> dict[int, Market]:
    return {number: simulate(250, seed=number, users=12, label=f"day{number}") for number in range(3)}


@pytest.fixture
def data_dir(tmp_path: Path, markets: dict[int, Market]) -> Path:
    write_days(tmp_path, markets)
    return tmp_path


def night(
    data_dir: Path, number: int, instance: DagsterInstance, assets: Any = None, **overrides: str
) -> ExecuteInProcessResult:
    directory = str(data_dir)
    changes = {name.replace("__", "."): value for name, value in overrides.items()}
    return materialize(
        assets or [nightly_pctr_model, reward_model_champion],
        instance=instance,
        partition_key=day_of(number),
        resources={
            "lake": Lake(data_dir=directory),
            "warehouse": Warehouse(data_dir=directory),
            "model_store": ModelStore(data_dir=directory),
            "profile": ProfileResource(profile="smoke", overrides={**QUICK, **changes}),
        },
        raise_on_error=False,
    )


def metadata(result: ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    assert result.success
    return {name: value.value for name, value in result.asset_materializations_for_node(asset)[0].metadata.items()}


def current(data_dir: Path) -> ModelVersion:
    found = Champion(ModelStore(data_dir=str(data_dir)), "pctr").current()
    assert found is not None
    return found


def test_nights_in_a_row(data_dir: Path, markets: dict[int, Market], instance: DagsterInstance) -> None:
    """Three nights: the first promotes what there is, the others continue from the champion and are judged."""
    store = ModelStore(data_dir=str(data_dir))
    first = night(data_dir, 0, instance)
    assert metadata(first, "reward_model_champion")["decision"] == "promoted"
    assert "no champion" in metadata(first, "reward_model_champion")["reason"]
    figures = metadata(first, "nightly_pctr_model")
    assert figures["trained_from"] == figures["trained_to"] == day_of(0)
    assert figures["refit/n"] < len(markets[0].impressions) / 2, "judged on held-out users of its own day"

    second = night(data_dir, 1, instance)
    figures = metadata(second, "nightly_pctr_model")
    assert (figures["trained_from"], figures["trained_to"]) == (day_of(0), day_of(0)), "the newest day is not seen"
    assert figures["parent"] == store.resolve("pctr", f"nightly/{day_of(0)}").version
    assert figures["champion/n"] == figures["refit/n"] == len(markets[1].impressions)
    assert figures["new_users_share"] == 1.0
    decided = metadata(second, "reward_model_champion")
    assert decided["decision"] == "promoted", decided["reason"]
    assert {"worsening/log_loss/high", "champion/auc", "refit/ece"} <= set(decided)
    assert next(iter(second.get_asset_check_evaluations())).passed

    third = night(data_dir, 2, instance)
    assert metadata(third, "nightly_pctr_model")["trained_to"] == day_of(1)
    champion = current(data_dir)
    assert champion.metadata["day"] == day_of(2)
    lineage = champion.metadata
    assert lineage["parent"] == store.resolve("pctr", f"nightly/{day_of(1)}").version
    assert lineage["window"] == [day_of(0), day_of(1)]
    assert set(lineage["data_versions"]) == {day_of(0), day_of(1), day_of(2), "ad_catalog"}
    assert set(lineage["settings"]) == {"seed", "pctr", "nightly"}
    assert np.all(PctrModel.load(champion.path).predict(markets[2].impressions[:5]) > 0)

    # An older day that is run again neither learns from the days after it nor takes the newer champion's place.
    again = night(data_dir, 1, instance)
    assert metadata(again, "nightly_pctr_model")["model_version"] == figures["model_version"]
    decided = metadata(again, "reward_model_champion")
    assert (decided["decision"], decided["champion"]) == ("kept", champion.version)
    assert f"the champion is of {day_of(2)}, newer than {day_of(1)}" in decided["reason"]
    assert current(data_dir).version == champion.version

    # The champion's own day run again changes nothing.
    assert "already" in metadata(night(data_dir, 2, instance), "reward_model_champion")["reason"]
    # What somebody rolled back does not come back by itself.
    Champion(store, "pctr").rollback("complaints")
    assert "rolled back" in metadata(night(data_dir, 2, instance), "reward_model_champion")["reason"]
    assert current(data_dir).metadata["day"] == day_of(1)
    assert Champion(store, "pctr").before(date.fromisoformat(day_of(1))).metadata["day"] == day_of(0)  # type: ignore[union-attr]


def test_a_refit_that_may_be_worse_leaves_the_champion_and_says_why(data_dir: Path, instance: DagsterInstance) -> None:
    assert night(data_dir, 0, instance).success
    assert night(data_dir, 1, instance, [nightly_pctr_model]).success
    zero = {f"nightly__{name}_tolerance": "0" for name in ("log_loss", "auc", "ece")}
    result = night(data_dir, 1, instance, [reward_model_champion], **zero)
    decided = metadata(result, "reward_model_champion")
    assert decided["decision"] == "kept"
    assert "may be worse by" in decided["reason"]
    assert current(data_dir).metadata["day"] == day_of(0)
    check = next(iter(result.get_asset_check_evaluations()))
    assert not check.passed and check.severity.value == "WARN"
    small = night(data_dir, 1, instance, [reward_model_champion], nightly__min_impressions="5000")
    assert "too few to judge on: 5000 at least" in metadata(small, "reward_model_champion")["reason"]
    # A champion of another shape can't be continued; the refit starts afresh, as it does when it is told to.
    champion = current(data_dir).version
    for afresh in ({"pctr__hidden": "32,16"}, {"nightly__warm_start": "false"}):
        figures = metadata(night(data_dir, 1, instance, [nightly_pctr_model], **afresh), "nightly_pctr_model")
        assert (figures["parent"], figures["compared_with"]) == ("none", champion)
        made = ModelStore(data_dir=str(data_dir)).resolve("pctr", f"nightly/{day_of(1)}").metadata
        assert (made["parent"], made["compared_with"]) == (None, champion)


def test_the_first_model_serves_even_if_its_day_is_too_small_to_judge_on(
    data_dir: Path, instance: DagsterInstance
) -> None:
    """It takes nobody's place; once it serves, the next refit needs a day that is big enough."""
    decided = metadata(night(data_dir, 0, instance, nightly__min_impressions="5000"), "reward_model_champion")
    assert (decided["decision"], decided["champion_day"]) == ("promoted", day_of(0))
    decided = metadata(night(data_dir, 1, instance, nightly__min_impressions="5000"), "reward_model_champion")
    assert (decided["decision"], decided["champion_day"]) == ("kept", day_of(0))


def test_without_a_click_there_is_no_first_model(data_dir: Path, instance: DagsterInstance) -> None:
    edit(data_dir, "update fct_click_log_impressions set clicked = false")
    result = night(data_dir, 0, instance)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "0 clicks in" in str(failure.step_failure_data.error)
    assert Champion(ModelStore(data_dir=str(data_dir)), "pctr").current() is None


SUITE = AssetCheckKey(AssetKey("fct_click_log_responses"), "great_expectations")
DATA_TEST = next(key for key in GUARDS if key.name.startswith("no_nulls_fct_click_log_impressions"))


@pytest.mark.parametrize("guard", [SUITE, DATA_TEST], ids=["suite", "data test"])
def test_a_day_that_a_guard_refused_teaches_no_later_night_until_it_is_mended(
    data_dir: Path, instance: DagsterInstance, guard: AssetCheckKey
) -> None:
    def report(kind: DagsterEventType, data: object) -> None:
        instance.report_dagster_event(DagsterEvent(kind.value, "night", event_specific_data=data), make_new_run_id())

    def judge(passed: bool) -> None:
        verdict = AssetCheckEvaluation(guard.asset_key, guard.name, passed, {}, partition=day_of(1))
        report(DagsterEventType.ASSET_CHECK_EVALUATION, verdict)

    days = [date.fromisoformat(day_of(number)) for number in range(3)]
    assert refused_days(instance, days) == []
    judge(passed=False)
    assert refused_days(instance, days) == days[1:2]
    # A run that was killed before it came to its guards takes back nothing.
    subset = day_partitions.subset_with_partition_keys([day_of(1)]).to_serializable_subset()
    planned = AssetCheckEvaluationPlanned(asset_key=guard.asset_key, check_name=guard.name, partitions_subset=subset)
    report(DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, planned)
    assert refused_days(instance, days) == days[1:2]
    judge(passed=True)
    assert refused_days(instance, days) == []


@pytest.mark.parametrize("passed", [False, True])
def test_a_refit_says_which_days_it_left_out(data_dir: Path, instance: DagsterInstance, passed: bool) -> None:
    verdict = AssetCheckEvaluation(SUITE.asset_key, SUITE.name, passed, {}, partition=day_of(1))
    instance.report_runless_asset_event(verdict)
    figures = metadata(night(data_dir, 2, instance), "nightly_pctr_model")
    expected = ("none", day_of(1)) if passed else (day_of(1), day_of(0))
    assert (figures["days_left_out"], figures["trained_to"]) == expected


def test_days_that_are_missing_from_the_window_are_named(data_dir: Path, instance: DagsterInstance) -> None:
    edit(data_dir, f"delete from fct_click_log_impressions where day = '{day_of(1)}'")
    figures = metadata(night(data_dir, 2, instance), "nightly_pctr_model")
    assert (figures["days_missing"], figures["days_left_out"], figures["trained_to"]) == (day_of(1), "none", day_of(0))


def test_only_the_first_day_of_a_log_is_learned_from_itself(data_dir: Path, instance: DagsterInstance) -> None:
    assert night(data_dir, 0, instance).success
    verdict = AssetCheckEvaluation(SUITE.asset_key, SUITE.name, False, {}, partition=day_of(0))
    instance.report_runless_asset_event(verdict)
    edit(data_dir, f"delete from fct_click_log_impressions where day = '{day_of(1)}'")
    result = night(data_dir, 2, instance, [nightly_pctr_model])
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    message = str(failure.step_failure_data.error)
    assert "has impressions to learn from: 1 refused by their guards, 1 missing" in message


def test_nothing_is_fitted_or_judged_on_a_day_that_a_guard_refused(data_dir: Path, instance: DagsterInstance) -> None:
    """In a backfill the guards have run in another run, which blocks nothing in this one."""
    for number in (0, 1):
        assert night(data_dir, number, instance, [nightly_pctr_model]).success
    assert night(data_dir, 0, instance, [reward_model_champion]).success
    verdict = AssetCheckEvaluation(SUITE.asset_key, SUITE.name, False, {}, partition=day_of(1))
    instance.report_runless_asset_event(verdict)
    for asset in (nightly_pctr_model, reward_model_champion):
        result = night(data_dir, 1, instance, [asset])
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        assert f"the guards of {day_of(1)} refused it" in str(failure.step_failure_data.error)
    assert current(data_dir).metadata["day"] == day_of(0)


def test_a_day_without_impressions_is_a_clear_error(data_dir: Path, instance: DagsterInstance) -> None:
    result = night(data_dir, 7, instance, [nightly_pctr_model])
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert f"no impressions of {day_of(7)}" in str(failure.step_failure_data.error)


def read(data_dir: Path, limit: int = 10_000, first: int = 0, last: int = 1) -> Any:
    ads = {ad.ad_id: ad for ad in bundled_ads()}
    days = [date.fromisoformat(day_of(number)) for number in (first, last)]
    return load_days(Warehouse(data_dir=str(data_dir)), ads, *days, limit, 0)


def test_excluded_impressions_teach_nothing_but_stood_beside_the_others(data_dir: Path) -> None:
    whole = read(data_dir)
    busiest = max(whole.impressions, key=lambda impression: impression.n_ads)
    where = next(i for i, one in enumerate(whole.impressions) if one is busiest)
    ad_id = busiest.ad.ad_id
    edit(
        data_dir,
        "update fct_click_log_impressions set is_excluded = true where ad_id = "
        f"'{ad_id}' and response_id in (select response_id from fct_click_log_responses "
        f"where answer = '{busiest.answer.replace(chr(39), chr(39) * 2)}')",
    )
    left = read(data_dir)
    assert 0 < len(whole.impressions) - len(left.impressions) <= 5
    assert busiest not in left.impressions
    others = [one for one in left.impressions if one.answer == busiest.answer]
    assert others and all(one.n_ads == busiest.n_ads for one in others)
    assert whole.impressions[where].ad.ad_id == ad_id
    assert (
        left.versions[day_of(0)] != whole.versions[day_of(0)] or left.versions[day_of(1)] != whole.versions[day_of(1)]
    )


def test_a_big_window_is_thinned_by_whole_answers_the_same_each_time(data_dir: Path) -> None:
    whole, part, again = read(data_dir), read(data_dir, 200), read(data_dir, 200)
    assert part.impressions == again.impressions
    assert 100 < len(part.impressions) < 300
    assert part.available == len(whole.impressions)
    assert all(impression in whole.impressions for impression in part.impressions)


def test_an_ad_that_left_the_catalog_still_stands_beside_the_others(data_dir: Path) -> None:
    whole = read(data_dir)
    gone = next(one.ad for one in whole.impressions if one.n_ads > 1)
    ads = {ad.ad_id: ad for ad in bundled_ads() if ad != gone}
    days = [date.fromisoformat(day_of(number)) for number in (0, 1)]
    left = load_days(Warehouse(data_dir=str(data_dir)), ads, *days, 10_000, 0)
    assert len(left.impressions) == sum(one.ad != gone for one in whole.impressions)
    beside = [one for one in left.impressions if gone.ad_id in {ad.ad_id for ad in one.shown}]
    assert beside and all(gone.title in {ad.title for ad in one.shown} for one in beside)
