"""The lake: partitions are complete or absent, and errors name what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from resources.lake import FILE, MARKER, Lake, MissingPartition
from resources.storage import StorageError
from tests.small_disk import fill_up, run_on_a_small_disk

PARTITION = {"arm": "llm_auction", "iteration": "02"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(data_dir=str(tmp_path))


def frame(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"value": list(values)})


def test_round_trip_with_partition_columns(lake: Lake) -> None:
    path = lake.write("answers", frame(1, 2), PARTITION)
    assert path.relative_to(lake.root).as_posix() == f"answers/arm=llm_auction/iteration=02/{FILE}"
    read = lake.read("answers", PARTITION)
    assert read.to_dicts() == [{"value": v, "arm": "llm_auction", "iteration": "02"} for v in (1, 2)]
    assert lake.partitions("answers", "arm", "iteration") == [PARTITION]


def test_writing_again_replaces_and_the_version_follows_the_content(lake: Lake) -> None:
    lake.write("answers", frame(1))
    first = lake.data_version("answers")
    lake.write("answers", frame(1))
    assert lake.data_version("answers") == first
    lake.write("answers", frame(2))
    assert lake.data_version("answers") != first
    assert lake.read("answers")["value"].to_list() == [2]
    assert list((lake.root / ".aside").iterdir()) == []


def test_missing_partition_names_the_asset_and_partition(lake: Lake) -> None:
    with pytest.raises(MissingPartition, match=r"answers\[llm_auction\|02\] is missing .*materialize the asset"):
        lake.read("answers", PARTITION)
    with pytest.raises(MissingPartition):
        lake.data_version("answers", PARTITION)


@pytest.mark.parametrize("damage", ["no marker", "broken marker", "cut file"])
def test_half_written_partition_is_refused(lake: Lake, damage: str) -> None:
    path = lake.write("answers", frame(1), PARTITION)
    if damage == "no marker":
        (path.parent / MARKER).unlink()
    elif damage == "broken marker":
        (path.parent / MARKER).write_text("{")
    else:
        path.write_bytes(path.read_bytes()[:-10])
    assert not lake.exists("answers", PARTITION)
    assert lake.partitions("answers", "arm", "iteration") == []
    with pytest.raises(MissingPartition, match="half-written"):
        lake.read("answers", PARTITION)
    lake.write("answers", frame(3), PARTITION)
    assert lake.read("answers", PARTITION)["value"].to_list() == [3]


def test_partition_column_with_another_key_is_refused(lake: Lake) -> None:
    with pytest.raises(ValueError, match="column arm must hold 'llm_auction' only"):
        lake.write("answers", frame(1).with_columns(arm=pl.lit("oracle")), PARTITION)


def test_full_disk_is_one_clear_error_and_keeps_the_earlier_content(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write("answers", frame(1))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(StorageError, match="the disk is full"):
            lake.write("answers", frame(2))
    assert lake.read("answers")["value"].to_list() == [1]
    assert list((lake.root / ".aside").iterdir()) == []


def _write(value: int) -> Callable[[Path], int]:
    def write(path: Path) -> int:
        frame(value).write_parquet(path)
        return 1

    return write


def test_tables_that_belong_together_are_replaced_together_or_not_at_all(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write_together({"clicks": _write(1), "answers": _write(1)}, PARTITION)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match=r"the disk is full: .*answers.* was not written"):
        lake.write_together({"clicks": _write(2), "answers": full}, PARTITION)
    assert [lake.read(table, PARTITION)["value"].to_list() for table in ("clicks", "answers")] == [[1], [1]]
    assert list((lake.root / ".aside").iterdir()) == []

    # Ended between the two: the last one says that they are not of one write.
    replace = os.replace

    def end_before_answers(source: Path, place: Path) -> None:
        if "answers" in Path(place).parts:
            raise KeyboardInterrupt
        replace(source, place)

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", end_before_answers)
        with pytest.raises(KeyboardInterrupt):
            lake.write_together({"clicks": _write(2), "answers": _write(2)}, PARTITION)
    assert not lake.exists("answers", PARTITION)
    lake.write_together({"clicks": _write(3), "answers": _write(3)}, PARTITION)
    assert [lake.read(table, PARTITION)["value"].to_list() for table in ("clicks", "answers")] == [[3], [3]]


def fill_the_disk(data_dir: str) -> None:
    """In the process that sees the small disk: what another one has left of it is gone at the worst moments."""
    lake = Lake(data_dir=data_dir)
    lake.write_together({"clicks": _write(1), "answers": _write(1)})
    fillers = []

    def fill(path: Path) -> int:
        rows = _write(2)(path)
        fillers.append(fill_up(Path(data_dir)))
        return rows

    # When the last file is written, but not its marker.
    with pytest.raises(StorageError, match=r"the disk is full: .*answers.* was not written"):
        lake.write_together({"clicks": _write(2), "answers": fill})
    assert [lake.read(table)["value"].to_list() for table in ("clicks", "answers")] == [[1], [1]]
    assert list((lake.root / ".aside").iterdir()) == []
    fillers.pop().unlink()

    # When the first file has taken its place.
    replace = os.replace

    def replace_and_fill(source: Path, place: Path) -> None:
        replace(source, place)
        if not fillers:
            fillers.append(fill_up(Path(data_dir)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.replace", replace_and_fill)
        lake.write_together({"clicks": _write(3), "answers": _write(3)})
    assert [lake.read(table)["value"].to_list() for table in ("clicks", "answers")] == [[3], [3]]


def test_a_disk_that_fills_up_before_the_markers_loses_no_content(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    run_on_a_small_disk(f"from {__name__} import fill_the_disk; fill_the_disk({str(data_dir)!r})", data_dir)


def test_data_dir_that_is_no_directory_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="set DATA_DIR"):
        Lake(data_dir=str(tmp_path / "file")).write("answers", frame(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_data_dir_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="set DATA_DIR to a directory that you may write to"):
        Lake(data_dir=str(tmp_path)).write("answers", frame(1))
