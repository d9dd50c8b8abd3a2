"""The scratch database of an ingestion: bounded, and gone at the end."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from resources.click_log import scratch_database
from resources.click_log.scratch import MemoryLimitError


def test_too_little_memory_names_the_setting(tmp_path: Path) -> None:
    with (
        pytest.raises(MemoryLimitError, match=r"click_log\.memory_limit = 20MB is too little here; raise it"),
        scratch_database(tmp_path, "20MB") as connection,
    ):
        connection.execute("select list(i) from range(10_000_000) numbers(i)").fetchall()
    assert list(tmp_path.iterdir()) == []


def test_the_scratch_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    abandoned = tmp_path / f"{platform.node()}-999999999-abc"
    abandoned.mkdir()
    with scratch_database(tmp_path, "100MB") as connection:
        assert connection.execute("select current_setting('memory_limit')").fetchall() == [("95.3 MiB",)]
        assert not abandoned.exists()
    assert list(tmp_path.iterdir()) == []
