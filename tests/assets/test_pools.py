"""Steps queue for the GPU where the profile starts a model of theirs on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance, Failure, materialize

from assets.market import users_and_queries
from assets.pools import pool_of_encoder, pool_of_judge, pool_of_user_llm
from llm_auction.profiles import load_profile
from resources.lake import Lake
from resources.profile import ProfileResource
from resources.user_model import UserModelResource


def test_the_pool_follows_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pool_of_user_llm() is None and pool_of_encoder() is None
    monkeypatch.setenv("LLM_AUCTION__USER__MODEL", "judge")
    monkeypatch.setenv("LLM_AUCTION__USER__URL", "http://127.0.0.1:1")
    assert pool_of_user_llm() is None
    monkeypatch.delenv("LLM_AUCTION__USER__URL")
    monkeypatch.setenv("LLM_AUCTION__USER__COMMAND", "serve {model} {host} {port}")
    assert pool_of_user_llm() == pool_of_judge() == "gpu"
    monkeypatch.setenv("LLM_AUCTION__PCTR__ENCODER", "org/encoder")
    assert pool_of_encoder() == "gpu"
    assert pool_of_encoder(load_profile(overrides={"pctr.encoder_device": "cpu"})) is None


def test_the_judge_may_have_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_AUCTION__JUDGE__MODEL", "judge")
    monkeypatch.setenv("LLM_AUCTION__JUDGE__COMMAND", "serve {model} {host} {port}")
    assert pool_of_user_llm() is None and pool_of_judge() == "gpu"


def test_a_run_whose_own_configuration_asks_for_the_gpu_is_refused_before_it_starts_anything(tmp_path: Path) -> None:
    """As from the launchpad: the definitions were loaded under a profile whose steps don't queue for it."""
    overrides = {
        "population.query_writer": "user_llm",
        "user.model": "judge",
        "user.command": f"touch {tmp_path}/started {{model}} {{host}} {{port}}",
    }
    profile = ProfileResource(profile="smoke", overrides=overrides)
    resources = {
        "profile": profile,
        "lake": Lake(data_dir=str(tmp_path)),
        "user_model": UserModelResource(profile=profile, data_dir=str(tmp_path)),
    }
    with (
        DagsterInstance.ephemeral() as instance,
        pytest.raises(Failure, match=r"users_and_queries .* does not queue for the pool gpu.*USER__COMMAND"),
    ):
        materialize([users_and_queries], instance=instance, resources=resources)
    assert not (tmp_path / "started").exists()
