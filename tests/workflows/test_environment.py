"""The state folder and the variables that point every tool at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance

from llm_auction.profiles import ProfileError
from resources.storage import StorageError
from workflows.environment import (
    ROOT,
    default_data_dir,
    point_tools_at_data_dir,
    prepare_environment,
    set_pool_limits,
)


@pytest.fixture(autouse=True)
def _restore_environment() -> Iterator[None]:
    """`prepare_environment` writes the environment of the process; every test leaves it as it was.

    The same object: rich keeps the one that it sees when it is first imported.
    """
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_state_lies_in_one_folder_and_children_inherit_it(tmp_path: Path) -> None:
    made = prepare_environment("smoke", 3, tmp_path / "state", {"dpo.epochs": "2"})
    assert made.profile.seed == 3
    assert made.profile.dpo.epochs == 2
    assert made.data_dir == tmp_path / "state"
    assert (made.dagster_home / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
    assert os.environ["DATA_DIR"] == str(made.data_dir)
    assert os.environ["DAGSTER_HOME"] == str(made.dagster_home)
    assert os.environ["LLM_AUCTION_PROFILE"] == "smoke"
    assert os.environ["LLM_AUCTION__SEED"] == "3"
    assert os.environ["LLM_AUCTION__DPO__EPOCHS"] == "2"
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_changed_dagster_yaml_is_copied_again(tmp_path: Path) -> None:
    made = prepare_environment("smoke", data_dir=tmp_path)
    (made.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: true}")
    prepare_environment("smoke", data_dir=tmp_path)
    assert (made.dagster_home / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()


def test_folders_are_named_by_profile_and_seed() -> None:
    from llm_auction.profiles import load_profile

    assert default_data_dir(load_profile("smoke")) == ROOT / "data" / "smoke"
    assert default_data_dir(load_profile("laptop", {"seed": "2"})) == ROOT / "data" / "laptop-seed2"


def test_wrong_profile_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProfileError):
        prepare_environment("smoke", data_dir=tmp_path / "state", overrides={"dpo.epochs": "0"})
    assert not (tmp_path / "state").exists()


def test_unusable_data_dir_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="set DATA_DIR"):
        prepare_environment("smoke", data_dir=tmp_path / "file")


@pytest.mark.parametrize("name", ["data[old]", "a*", "b?", "{x}", "arm=x", "iteration=01"])
def test_a_data_dir_that_readers_take_for_a_pattern_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name / "state"
    with pytest.raises(ValueError, match="set DATA_DIR to another") as caught:
        prepare_environment("smoke", data_dir=folder)
    assert str(folder) in str(caught.value)
    monkeypatch.setenv("DATA_DIR", str(folder))
    with pytest.raises(ValueError, match="set DATA_DIR to another"):
        point_tools_at_data_dir()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["it's", "a b", "day=1", "x:y@z", "ä"])
def test_other_data_dirs_are_taken(tmp_path: Path, name: str) -> None:
    assert prepare_environment("smoke", data_dir=tmp_path / name).data_dir == tmp_path / name


def test_the_instance_has_the_queue_rule_and_reports_nothing_home() -> None:
    configuration = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert configuration["telemetry"] == {"enabled": False}
    each = {"applyLimitPerUniqueValue": True}
    assert configuration["concurrency"]["runs"]["tag_concurrency_limits"] == [
        {"key": "dagster/partition/arm", "value": each, "limit": 1},
        {"key": "dagster/partition", "value": each, "limit": 1},
        {"key": "llm_auction/night", "limit": 1},
    ]
    assert configuration["concurrency"]["pools"] == {"granularity": "op", "default_limit": 1}


def test_pool_limits(tmp_path: Path) -> None:
    prepare_environment("smoke", data_dir=tmp_path)
    with DagsterInstance.get() as instance:
        os.environ["LLM_AUCTION_GPU_POOL"] = "3"
        set_pool_limits(instance)
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        assert limits == {"gpu": 3, "duckdb": 1}
        os.environ["LLM_AUCTION_GPU_POOL"] = "many"
        with pytest.raises(ValueError, match="LLM_AUCTION_GPU_POOL must be a whole number"):
            set_pool_limits(instance)
