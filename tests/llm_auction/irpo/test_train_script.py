"""The plain script's bad input: one JSON line that names file and field, and exit status 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_auction.irpo.preference_pairs import write_sets
from llm_auction.irpo.train import main
from tests.llm_auction.irpo.preference_data import random_sets


@pytest.fixture
def arguments(model_dir: Path, tmp_path: Path) -> dict[str, Path]:
    write_sets(tmp_path / "pairs.parquet", random_sets(2))
    (tmp_path / "config.json").write_text('{"delta_th": 10, "seed": 0}')
    return {
        "start": model_dir,
        "pairs": tmp_path / "pairs.parquet",
        "output": tmp_path / "out",
        "config": tmp_path / "config.json",
    }


def _error(arguments: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> str:
    status = main([part for name, path in arguments.items() for part in (f"--{name}", str(path))])
    event = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 1 and event["event"] == "error"
    return event["message"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"delta_th": 10, "seed": 0, "beta": -1}', "config.json: beta: Input should be greater than 0"),
        ('{"delta_th": 10, "seed": 0, "lerning_rate": 1}', "config.json: lerning_rate: Extra inputs"),
        ('{"seed": 0}', "config.json: delta_th: Field required"),
        ("{", "config.json: file: Invalid JSON"),
    ],
)
def test_bad_configuration(
    content: str, message: str, arguments: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments["config"].write_text(content)
    assert message in _error(arguments, capsys)


def test_missing_files(arguments: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "absent"
    assert "can't be read: No such file" in _error(arguments | {"config": absent}, capsys)
    assert "preference pairs" in _error(arguments | {"pairs": absent}, capsys)
    assert "model directory" in _error(arguments | {"start": absent}, capsys)


def test_what_is_nobodys_mistake_is_told_before_its_traceback(
    arguments: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("NCCL error: unhandled system error")

    monkeypatch.setattr("llm_auction.irpo.train.train_dpo", fails)
    with pytest.raises(RuntimeError, match="NCCL"):
        main([part for name, path in arguments.items() for part in (f"--{name}", str(path))])
    event = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert event == {"event": "error", "message": "RuntimeError: NCCL error: unhandled system error"}


def test_another_process_than_the_first_complains_too(
    arguments: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    arguments["config"].write_text("{")
    assert main([part for name, path in arguments.items() for part in (f"--{name}", str(path))]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("process 1: configuration ")
