"""The benchmark of sampling: which cases it measures, and against what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import sampling


def test_either_baseline_stands_beside_either_kind_of_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLING", sampling.SAMPLING.model_copy(update={"max_new_tokens": 3}))
    monkeypatch.setattr(sampling, "ANSWERS", 2)
    known = {"sampling/196x3x2", "sampling/196x3x2-uneven"}
    records = list(sampling.sampling_records(tmp_path, 1, known))
    assert {record.case for record in records} == {"sampling/196x3x2-batched", "sampling/196x3x2-uneven-batched"}
    assert {record.baseline for record in records} == {"generate, all prompts in one batch"}
    assert all(record.value and record.against and record.ratio for record in records)
    every = {"sampling/196x3x2-batched", "sampling/196x3x2-uneven-batched"} | known
    assert list(sampling.sampling_records(tmp_path, 1, every)) == []
