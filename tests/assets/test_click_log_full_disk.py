"""A disk that is full while a day is taken in: one clear error, and the day stays as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llm_auction.click_log.files import find_files
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log import TABLES, ClickLogDay, scratch_database
from resources.lake import Lake
from resources.storage import StorageError
from tests.click_logs import ADS, DAY, answer, click, ingest, json_lines, write_log

ROOT = Path(__file__).resolve().parents[2]
# A file system of its own, which any user may mount in a user namespace of their own.
IN_A_SMALL_DISK = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
MOUNT = 'mount -t tmpfs -o size=12m tmpfs "$0" && exec "$@"'


def _can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run([*IN_A_SMALL_DISK, MOUNT, str(folder), "true"], capture_output=True, check=False).returncode == 0
    )


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
    data_dir.mkdir()
    if not _can_mount(data_dir):
        pytest.skip("needs a small file system: unshare (util-linux) and user namespaces")
    code = f"from {__name__} import fill_the_disk; fill_the_disk({str(data_dir)!r}, {str(log)!r}, {where!r})"
    command = [*IN_A_SMALL_DISK, MOUNT, str(data_dir), sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
