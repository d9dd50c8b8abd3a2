"""A disk that is full while a day is taken in: one clear error, and the day stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_auction.click_log.files import find_files
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log import TABLES, ClickLogDay, scratch_database
from resources.lake import Lake
from resources.storage import StorageError
from tests.click_logs import ADS, DAY, answer, click, ingest, json_lines, write_log
from tests.small_disk import run_on_a_small_disk


def fill_the_disk(data_dir: str, log: str, where: str) -> None:
    """In the process that sees the small disk: a small day, then a big one, then the small one again."""
    lake = Lake(data_dir=data_dir)
    events = [answer("r0"), click("r0")]
    source = write_log(Path(log), {"a.jsonl": json_lines(events)})
    ingest(lake, source)
    before = [lake.data_version(table, {"day": DAY}) for table in TABLES]
    big = (answer(f"b{number}", query=os.urandom(2000).hex()) for number in range(15_000))
    write_log(Path(log), {"b.jsonl": json_lines(big)})
    with pytest.raises(StorageError, match=r"the disk is full: .* was not written\. Free some space and run it again"):
        _take_in(lake, source, Path(data_dir if where == "spill" else log) / "spill")
    assert [lake.data_version(table, {"day": DAY}) for table in TABLES] == before
    assert list((lake.root / ".aside").iterdir()) == []
    assert list((Path(data_dir) / "spill").iterdir()) == []
    (Path(log) / DAY / "b.jsonl").unlink()
    assert ingest(lake, source).accepted == 2


def _take_in(lake: Lake, source: str, spill: Path) -> None:
    with scratch_database(spill, "1GB") as connection:
        events = ClickLogDay(connection, DAY, ClickLogConfig())
        for number, file in enumerate(find_files(source, DAY)):
            events.load(number, file)
        events.deduplicate()
        events.parse(ADS)
        events.conclude()
        events.write(lake)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["spill", "lake"])
def test_a_full_disk_leaves_the_day_as_it_was(tmp_path: Path, where: str) -> None:
    """Full while the events are read, where the scratch database lies there too, or while the tables are written."""
    data_dir, log = tmp_path / "data", tmp_path / "log"
    code = f"from {__name__} import fill_the_disk; fill_the_disk({str(data_dir)!r}, {str(log)!r}, {where!r})"
    run_on_a_small_disk(code, data_dir)
