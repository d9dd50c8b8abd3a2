"""The order of the stages of a study."""

from __future__ import annotations

import pytest

from llm_auction.profiles import load_profile
from workflows.stages import Stage, plan_study


def test_arms_go_side_by_side_and_iterations_in_order() -> None:
    stages = {stage.name: stage for stage in plan_study(load_profile("laptop"))}
    assert stages["llm_auction 01"].after == stages["oracle 01"].after == ("market and base",)
    assert stages["llm_auction 03"].after == ("llm_auction 02",)
    assert stages["evaluate pretrained"].after == ("market and base",)
    assert stages["evaluate llm_auction"].after == stages["evaluate mosaic"].after == ("llm_auction 03",)
    assert set(stages["report"].after) == {name for name in stages if name.startswith("evaluate")}


def test_every_stage_comes_after_those_it_needs() -> None:
    seen: set[str] = set()
    for stage in plan_study(load_profile("laptop"), iterations=5):
        assert seen.issuperset(stage.after), stage
        seen.add(stage.name)


def test_one_arm_only() -> None:
    names = [stage.name for stage in plan_study(load_profile("smoke"), arms=["oracle"], iterations=1)]
    assert names == ["market and base", "oracle 01", "evaluate pretrained", "evaluate oracle", "report"]


def test_an_ablation_is_an_arm_like_any_other() -> None:
    stages = {stage.name: stage for stage in plan_study(load_profile("smoke"), arms=["llm_auction", "no_iteration"])}
    assert stages["no_iteration 02"].after == ("no_iteration 01",)
    assert stages["evaluate no_iteration"].after == ("no_iteration 02",)


@pytest.mark.parametrize(
    ("arms", "iterations", "message"), [(["x"], None, "unknown arm x"), (None, 21, "21 asked for")]
)
def test_what_can_not_be_run_is_refused(arms: list[str] | None, iterations: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_study(load_profile("smoke"), arms, iterations)


def test_a_stage_survives_its_way_to_a_worker() -> None:
    stage = Stage("a", "irpo_iteration", "oracle|01", ("b",))
    assert Stage.from_dict(stage.as_dict()) == stage
    assert stage.arm == "oracle"
