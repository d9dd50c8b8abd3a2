"""A reward model of the arm `production` as champion: no night is judged beside it on a day that it has learnt from."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from llm_auction.pctr.model import PctrModel
from resources.champion import Champion
from resources.model_store import ModelStore
from tests.assets.test_nightly import current, metadata, night
from tests.click_log_warehouse import day_of, write_days
from tests.llm_auction.pctr.simulated_market import simulate


@pytest.mark.parametrize("learnt", [{}, {"day": day_of(1)}])
def test_a_champion_that_has_learnt_from_a_day_is_not_judged_on_it(
    tmp_path: Path, instance: DagsterInstance, learnt: dict[str, str]
) -> None:
    write_days(tmp_path, {number: simulate(250, seed=number, users=12, label=f"day{number}") for number in range(3)})
    assert night(tmp_path, 0, instance).success
    store = ModelStore(data_dir=str(tmp_path))
    first, pointer = current(tmp_path), Champion(store, "pctr")
    model = PctrModel.load(first.path)
    model.metrics = {"of": "another iteration"}
    iteration = store.publish("pctr", "production/01", model.save, {"arm": "production", **learnt})
    pointer.promote(iteration, "by hand", instead_of=first.version)
    second = night(tmp_path, 1, instance)
    figures = metadata(second, "nightly_pctr_model")
    assert (figures["parent"], figures["compared_with"]) == (first.version, first.version)
    decided = metadata(second, "reward_model_champion")
    assert (decided["decision"], decided["champion"]) == ("kept", iteration.version)
    assert f"may have learnt from {day_of(1)}" in decided["reason"]
    third = metadata(night(tmp_path, 2, instance), "nightly_pctr_model")
    assert third["parent"] == (iteration if learnt else first).version
