"""The order of the stages of a run and of a study."""

from __future__ import annotations

import pytest

from assets.mechanism_runs import MECHANISMS
from assets.partitions import ARMS
from assets.properties import PROPERTIES
from llm_auction.profiles import load_profile
from llm_auction.profiles.arms import is_ablation
from workflows.stages import Stage, evaluated_with, plan_loop, plan_study


def test_arms_go_side_by_side_and_iterations_in_order() -> None:
    stages = {stage.name: stage for stage in plan_loop(load_profile("laptop"))}
    assert stages["llm_auction 01"].after == stages["oracle 01"].after == ("market and base",)
    assert stages["llm_auction 03"].after == ("llm_auction 02",)
    assert stages["evaluate pretrained"].after == ("market and base",)
    assert stages["evaluate llm_auction"].after == stages["evaluate mosaic"].after == ("llm_auction 03",)
    assert set(stages["report"].after) == {name for name in stages if name.startswith("evaluate")}


def test_every_stage_comes_after_those_it_needs() -> None:
    seen: set[str] = set()
    for stage in plan_loop(load_profile("laptop"), iterations=5):
        assert seen.issuperset(stage.after), stage
        seen.add(stage.name)


def test_a_study_holds_every_mechanism_arm_and_property() -> None:
    profile = load_profile("laptop")
    stages = {stage.name: stage for stage in plan_study(profile)}
    arms = {*profile.arms, *filter(is_ablation, ARMS)}
    assert {f"{arm} 01" for arm in arms} <= set(stages)
    assert {f"evaluate {name}" for name in MECHANISMS if name in arms or name not in ARMS} <= set(stages)
    assert set(PROPERTIES) <= set(stages)
    assert all(set(stage.after) <= set(stages) for stage in stages.values())
    assert [name for name in stages if name.startswith("no_iteration")] == ["no_iteration 01", "no_iteration 02"]
    assert "delta_th_0 02" not in stages and "llm_auction 03" in stages
    assert stages["incentives"].after == ("monotonicity",) and stages["incentives"].needs_all
    assert set(stages["report"].after) == {one for one in stages if one.startswith("evaluate") or one in PROPERTIES}
    assert not stages["report"].needs_all
    assert stages["llm_auction 01"].weight == 1.0 > stages["no_penalty 01"].weight


def test_a_study_without_the_arm_of_the_properties_measures_what_is_left() -> None:
    names = {stage.name for stage in plan_study(load_profile("smoke", {"arms": "oracle", "ablations.arms": "[]"}))}
    assert names & set(PROPERTIES) == {"quality", "objectives"}
    assert "evaluate mosaic" not in names and "evaluate rag_auction" in names and "ablation_base 01" not in names


def test_ablations_on_fewer_queries_bring_what_they_are_compared_with() -> None:
    names = [stage.name for stage in plan_loop(load_profile("laptop"), arms=["no_iteration"], iterations=1)]
    assert "ablation_base 01" in names
    whole = load_profile("laptop", {"ablations.train_queries": "none"})
    assert "ablation_base 01" not in [stage.name for stage in plan_loop(whole, arms=["no_iteration"])]


def test_one_arm_only() -> None:
    names = [stage.name for stage in plan_loop(load_profile("smoke"), arms=["oracle"], iterations=1)]
    assert names == ["market and base", "oracle 01", "evaluate pretrained", "evaluate oracle", "report"]


def test_mosaic_needs_the_reward_model_of_its_arm() -> None:
    assert evaluated_with(["oracle"]) == ["pretrained", "oracle"]
    assert evaluated_with(["llm_auction", "oracle"]) == ["pretrained", "mosaic", "llm_auction", "oracle"]


def test_an_ablation_is_an_arm_like_any_other() -> None:
    stages = {stage.name: stage for stage in plan_loop(load_profile("smoke"), arms=["llm_auction", "no_iteration"])}
    assert stages["no_iteration 02"].after == ("no_iteration 01",)
    assert stages["evaluate no_iteration"].after == ("no_iteration 02",)


@pytest.mark.parametrize(
    ("arms", "iterations", "message"), [(["x"], None, "unknown arm x"), (None, 21, "21 asked for")]
)
def test_what_can_not_be_run_is_refused(arms: list[str] | None, iterations: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_loop(load_profile("smoke"), arms, iterations)


def test_a_stage_survives_its_way_to_a_worker() -> None:
    stage = Stage("a", "irpo_iteration", "oracle|01", ("b",))
    assert Stage.from_dict(stage.as_dict()) == stage
    assert stage.arm == "oracle"
