"""A full disk under Dagster's own records, which lie in the data directory, is one clear error as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.storage import told_of_full_disk
from tests.small_disk import run_on_a_small_disk

FULL_AT_THE_START = """
from pathlib import Path
from resources.storage import StorageError
from tests.small_disk import fill_up
from workflows.environment import prepare_environment

folder = Path({folder!r})
made = prepare_environment("smoke", data_dir=folder)
filler = fill_up(folder)
try:
    prepare_environment("smoke", data_dir=folder)
    raise SystemExit("taken for writable")
except StorageError as error:
    assert error.strerror.startswith(f"the disk is full: {{folder}}"), error
assert sorted(path.name for path in folder.iterdir()) == ["dagster_home", "filler"]
filler.unlink()
prepare_environment("smoke", data_dir=folder)
"""

FULL_BEFORE_THE_RECORDS_ARE_OPENED = """
import io, sys
from contextlib import redirect_stderr
from pathlib import Path
import workflows.loop
from tests.small_disk import fill_up
from workflows.cli.app import main
from workflows.environment import prepare_environment

folder = Path({folder!r})

def prepare_and_fill(*arguments):
    made = prepare_environment(*arguments)
    fill_up(folder)
    return made

workflows.loop.prepare_environment = prepare_and_fill
sys.argv = ["llm-auction", "run", "--profile", "smoke", "--data-dir", str(folder)]
with redirect_stderr(io.StringIO()) as said:
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 1
assert said.getvalue() == f"error: the disk is full: {{folder}} was not written. Free some space and run it again\\n"
"""

FULL_BEFORE_A_WORKER_RECORDS_ITS_RUN = """
import io, json, os
from pathlib import Path
from tests.small_disk import fill_up
from workflows.environment import prepare_environment
from workflows.loop import plan_loop
from workflows.worker import serve

folder = Path({folder!r})
made = prepare_environment("smoke", data_dir=folder)
stage = plan_loop(made.profile)[0]

def orders():
    fill_up(folder)
    yield json.dumps({{"stage": stage.as_dict(), "force": True}})

answers = io.StringIO()
serve("tests.workflows.stubs.definitions", orders(), answers)
last = json.loads(answers.getvalue().splitlines()[-1])
assert last["event"] == "failed", last
assert last["message"].startswith(f"{{stage.name}} failed: the disk is full: {{folder}} was not written."), last
"""


@pytest.mark.parametrize(
    "code", [FULL_AT_THE_START, FULL_BEFORE_THE_RECORDS_ARE_OPENED, FULL_BEFORE_A_WORKER_RECORDS_ITS_RUN]
)
def test_a_full_disk_is_one_clear_error(code: str, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    run_on_a_small_disk(code.format(folder=str(folder)), folder)


def test_sqlite_may_fail_for_other_reasons(tmp_path: Path) -> None:
    assert told_of_full_disk(Exception("(sqlite3.OperationalError) disk I/O error"), tmp_path) is None
    assert told_of_full_disk(Exception("(sqlite3.OperationalError) no such table: runs"), tmp_path) is None
    full = told_of_full_disk(Exception("(sqlite3.OperationalError) database or disk is full"), tmp_path)
    assert full is not None and str(tmp_path) in full
