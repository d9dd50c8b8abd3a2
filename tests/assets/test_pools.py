"""Steps queue for the GPU where the profile starts a model of theirs on it."""

from __future__ import annotations

import pytest

from assets.pools import pool_of_encoder, pool_of_judge, pool_of_user_llm


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


def test_the_judge_may_have_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_AUCTION__JUDGE__MODEL", "judge")
    monkeypatch.setenv("LLM_AUCTION__JUDGE__COMMAND", "serve {model} {host} {port}")
    assert pool_of_user_llm() is None and pool_of_judge() == "gpu"
