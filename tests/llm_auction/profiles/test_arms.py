"""The arms: each is a valid change of how a model is trained, and of nothing that it is judged by."""

from __future__ import annotations

import pytest

from llm_auction.profiles import load_profile
from llm_auction.profiles.arms import ABLATION_BASE, ABLATIONS, ARMS, OBJECTIVES, SWEEPS, is_ablation
from llm_auction.profiles.builtin import BUILTIN

TRAINING = ("ad_llm", "pctr", "reward", "preferences", "dpo")


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", BUILTIN)
def test_every_arm_differs_from_the_mechanism_itself_by_what_it_says(arm: str, name: str) -> None:
    profile = BUILTIN[name]()
    changed = profile.of_arm(arm)
    same = arm == "llm_auction" or (arm == ABLATION_BASE and profile.ablations.train_queries is None)
    assert (changed == profile.of_arm("llm_auction")) is same
    for path, value in ARMS[arm].items():
        section, field = path.split(".")
        assert getattr(getattr(changed, section), field) == value
    # Real users in place of simulated ones: the one arm that learns from other feedback.
    may_change = {*TRAINING, "feedback"} if arm == "production" else set(TRAINING)
    fewer = profile.ablations.train_queries if is_ablation(arm) else None
    expected = profile.model_copy(update={"population": profile.population.model_copy(update={"train_queries": fewer})})
    assert changed.model_dump(exclude=may_change) == expected.model_dump(exclude=may_change)


def test_arms_share_the_luck_of_what_they_are_compared_with() -> None:
    all_queries, fewer = (
        load_profile("smoke", {"ablations.train_queries": "none"}),
        load_profile("smoke", {"ablations.train_queries": "5"}),
    )
    for arm in ARMS:
        if is_ablation(arm):
            assert (all_queries.luck_of(arm), fewer.luck_of(arm)) == ("llm_auction", ABLATION_BASE)
        else:
            assert all_queries.luck_of(arm) == fewer.luck_of(arm) == ("llm_auction" if arm in OBJECTIVES else arm)


def test_no_two_arms_are_the_same() -> None:
    settings = [str(sorted(changes.items())) for arm, changes in ARMS.items() if arm != ABLATION_BASE]
    assert len(set(settings)) == len(settings)


def test_ablations_and_sweeps_are_arms() -> None:
    assert {*ABLATIONS, *SWEEPS, ABLATION_BASE} <= set(ARMS)
    assert not any(map(is_ablation, ("llm_auction", "oracle", "production")))


def test_names_are_folder_and_partition_names() -> None:
    assert all(arm.replace("_", "").isalnum() and arm.islower() for arm in ARMS)


def test_arms_are_chosen_by_name() -> None:
    assert load_profile("smoke", {"arms": "no_iteration,delta_th_20"}).arms == ("no_iteration", "delta_th_20")
    with pytest.raises(ValueError, match="unknown arm prophet: choose among llm_auction, oracle"):
        load_profile("smoke").of_arm("prophet")


def test_bids_for_conversions_want_users_whose_conversions_are_known() -> None:
    with pytest.raises(ValueError, match=r"reward\.bids_on is conversions"):
        load_profile("smoke", {"reward.bids_on": "conversions", "feedback.source": "click_log"})
