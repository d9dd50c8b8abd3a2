"""The table of the benchmarks."""

from __future__ import annotations

import pytest

from tests.benchmarks.device_peak import GPU_PEAKS, peak_of
from tests.benchmarks.dpo import BASELINE, dpo_records
from tests.benchmarks.records import Record, not_run, print_table


def test_the_table_is_not_wrapped_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Record("dpo_time", "dpo/3000x300x5", 2.85, "s/prompt", 17.4, 6.1, "a processor", 7e-7, BASELINE)])
    row = next(line for line in capsys.readouterr().out.splitlines() if "dpo_time" in line)
    assert all(part in row for part in ("dpo/3000x300x5", "2.85", "17.4", "s/prompt", "6.1 x", "7.0e-07", BASELINE))


def test_what_did_not_run_is_one_line_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "PyTorch sees no CUDA GPU here, " * 5
    print_table([not_run("dpo", "dpo/3000x300x5-qwen3-4b", reason, BASELINE)])
    assert f"dpo dpo/3000x300x5-qwen3-4b: NOT RUN: {reason}".rstrip() in capsys.readouterr().out


def test_without_a_gpu_real_shapes_are_named_as_not_run(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    measured = {"dpo/100x40x5", "dpo/1000x100x5", "dpo/3000x300x5", "dpo/100x40x5-curve"}
    left = list(dpo_records(tmp_path_factory.mktemp("bench"), 1, measured))
    assert len(left) == 6 and all("NOT RUN" in record.note and "CUDA" in record.note for record in left)
    assert {record.case for record in left} >= {"dpo/100x40x5-qwen3-0.6b", "dpo/3000x300x5-qwen3-4b"}


def test_an_unknown_gpu_has_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "NVIDIA H200")
    assert peak_of("bfloat16") == GPU_PEAKS["NVIDIA H200"]["bfloat16"]
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "A card of tomorrow")
    assert peak_of("bfloat16") is None
