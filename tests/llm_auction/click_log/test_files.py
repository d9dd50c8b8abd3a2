"""Where the files of a day are found, and what it costs to look."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from llm_auction.click_log.files import ClickLogSourceError, LogFile, NothingDelivered, find_files
from tests.click_logs import DAY


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "no click log is configured"),
        ("/nowhere/log.jsonl", "lacks {date}"),
        ("/nowhere/{date}/*.jsonl", "nothing was delivered on 2026-01-05"),
        ("nosuch://bucket/{date}/*", "can't be listed"),
    ],
)
def test_a_source_without_files_is_a_clear_error(source: str | None, message: str) -> None:
    with pytest.raises(ClickLogSourceError, match=message):
        find_files(source, DAY)


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("2026-01-05/log.jsonl", "{date}"),
        ("2026-01-05/log.jsonl", "{date}/"),
        ("2026/01/05/log.jsonl", "{date:%Y/%m/%d}"),
        ("2026/01/05/log.jsonl", "{date:%Y/%m/%d}/*.jsonl"),
        ("2026-01/log-20260105.jsonl", "{date:%Y-%m}/log-{date:%Y%m%d}.jsonl"),
    ],
)
def test_a_source_is_a_folder_or_a_glob_with_a_date_of_any_form(tmp_path: Path, written: str, source: str) -> None:
    path = tmp_path / written
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    (path.parent / "further").mkdir()
    assert [file.path for file in find_files(f"{tmp_path}/{source}", DAY)] == [str(path)]


@pytest.mark.parametrize("source", ["/logs/{date:%d}/*", "/logs/{date:%Y-%m}/*", "/logs/{date:day}/*"])
def test_a_date_that_does_not_tell_days_apart_is_an_error(source: str) -> None:
    with pytest.raises(ClickLogSourceError, match="must tell days apart"):
        find_files(source, DAY)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("ftp://me:s3cret@127.0.0.1:1/{date}", "ftp://***@127.0.0.1:1/2026-01-05 can't be listed"),
        ("ftp://me:s3@cret@127.0.0.1:1/{date}", "ftp://***@127.0.0.1:1/2026-01-05 can't be listed"),
        ("simplecache::ftp://me:s3cret@127.0.0.1:1/{date}", "ftp://***@127.0.0.1:1/2026-01-05 can't be listed"),
        ("ftp://me:s3cret@127.0.0.1/log", "'ftp://***@127.0.0.1/log' lacks {date}"),
        ("memory://me:s3cret@bucket/{date}", "no file at memory://***@bucket/2026-01-05"),
    ],
)
def test_an_error_shows_no_password(source: str, shown: str) -> None:
    with pytest.raises(ClickLogSourceError) as caught:
        find_files(source, DAY)
    assert shown in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))  # Dagster shows the causes as well
    assert "s3" not in told and "cret" not in told


def test_a_file_is_named_without_its_password() -> None:
    store = CountedStore()
    file = LogFile(store, "counted://me:s3cret@bucket/logs/a@b.jsonl", 1, "")
    assert file.name == "counted://***@bucket/logs/a@b.jsonl"


class CountedStore(fsspec.AbstractFileSystem):
    """An object store that keeps its listings, as those of S3 and others do, and counts the requests."""

    protocol = "counted"
    requests = 0

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        folder = self._strip_protocol(path).rstrip("/")
        if folder not in self.dircache:
            CountedStore.requests += 1
            names = [f"{folder}/{number}.jsonl" for number in range(40)] if folder.endswith(DAY) else []
            self.dircache[folder] = [{"name": name, "size": 9, "type": "file", "seen": self.requests} for name in names]
        entries = self.dircache[folder]
        return entries if detail else [entry["name"] for entry in entries]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()


def test_a_listing_costs_no_request_for_each_file_and_a_second_look_is_a_fresh_one() -> None:
    fsspec.register_implementation("counted", CountedStore, clobber=True)
    files = find_files("counted://bucket/{date}/*.jsonl", DAY)
    assert (len(files), {file.size for file in files}) == (40, {9})
    assert CountedStore.requests <= 2
    assert files[0].listed_again().fingerprint != files[0].fingerprint


class BusyFolder(LocalFileSystem):
    """A folder in which files are renamed or can't be looked at between the listing and the look at each of them."""

    protocol = "busy"

    def ukey(self, path: str) -> str:
        if path.endswith(".tmp"):
            raise FileNotFoundError(path)
        if path.endswith(".broken"):
            raise OSError(f"Input/output error: {path}")
        return str(super().ukey(path))


def test_a_file_that_vanishes_while_the_folder_is_listed_is_left_out(tmp_path: Path) -> None:
    fsspec.register_implementation("busy", BusyFolder, clobber=True)
    (folder := tmp_path / DAY).mkdir()
    (folder / "b.jsonl.tmp").write_text("{}\n")
    with pytest.raises(NothingDelivered):
        find_files(f"busy://{tmp_path}/{{date}}", DAY)
    (folder / "a.jsonl").write_text("{}\n")
    assert [Path(file.path).name for file in find_files(f"busy://{tmp_path}/{{date}}", DAY)] == ["a.jsonl"]
    (folder / "c.broken").write_text("{}\n")
    with pytest.raises(ClickLogSourceError, match="can't be listed: Input/output error"):
        find_files(f"busy://{tmp_path}/{{date}}", DAY)
