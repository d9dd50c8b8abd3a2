"""The loop of `llm-auction run` in its worker processes, with the scripted model: it fails, and is gone on with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from resources.model_store import ModelStore
from tests.workflows.stubs.loop_process import Loop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_run_again_fail_and_go_on(tmp_path: Path, tiny_model_dir: Path) -> None:
    loop = partial(Loop, tmp_path, tiny_model_dir, arms=["llm_auction"])
    first = loop(iterations=1)
    result = first.until("result")
    assert first.end() == 0
    assert result["skipped"] == []
    assert set(result["ran"]) >= {"market and base", "llm_auction 01", "evaluate pretrained", "report"}
    assert (tmp_path / "report" / "report.html").exists()

    # One more iteration: what stands is skipped. The new one fails, and the loop says so in one line.
    (tmp_path / "fail-llm_auction-02").touch()
    second = loop(iterations=2)
    error = second.until("error")
    assert second.end() == 1
    assert error["type"] == "LoopFailed"
    assert "llm_auction 02 failed at ad_llm: the scripted training was told to fail" in error["message"]
    assert "\n" not in error["message"]
    assert "llm_auction 01" in {event["stage"] for event in second.events if event["kind"] == "skipped"}

    (tmp_path / "fail-llm_auction-02").unlink()
    third = loop(iterations=2)
    result = third.until("result")
    assert third.end() == 0
    assert {"llm_auction 01", "evaluate pretrained"} <= set(result["skipped"])
    assert {"llm_auction 02", "evaluate llm_auction", "report"} <= set(result["ran"])
    store = ModelStore(data_dir=str(tmp_path))
    first_model, second_model = (store.resolve("ad_llm", f"llm_auction/{number}") for number in ("01", "02"))
    assert second_model.metadata["parent"] == first_model.version
