"""The files of one day of delivery: which there are, and whether one has changed since.

A source is a folder, a glob or any fsspec URL with `{date}` in it, or `{date:%Y/%m/%d}` for a date of another form.
Names of files are data: they are listed and opened, never put into a command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from glob import has_magic
from typing import IO, Any

import fsspec
from fsspec.core import url_to_fs

DATE = "{date}"
_DATES = re.compile(r"\{date(?::(?P<form>[^{}]+))?\}")
JSON_LINES = (".jsonl", ".ndjson", ".json")
COMPRESSIONS: Mapping[str, str] = {".gz": "gzip", ".zst": "zstd"}
PARQUET = ".parquet"
_USER = re.compile(r"(?<=://)[^/\s]+@")  # in a URL, with its password


class ClickLogSourceError(ValueError):
    """The configured source is wrong, or holds nothing for a day; the message says what to do."""


class NothingDelivered(ClickLogSourceError):
    """The source can be listed, and holds no file of the day."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file as it was when it was listed.

    `fingerprint` is what its file system says of its identity and content: size and time of change, or an ETag.
    """

    filesystem: Any
    path: str
    size: int
    fingerprint: str

    @property
    def name(self) -> str:
        """The path as people and tables know it: without a password, a byte that is no UTF-8 as its escape."""
        name = str(self.filesystem.unstrip_protocol(self.path)).removeprefix("file://")
        return without_passwords(name.encode("utf-8", "backslashreplace").decode("utf-8"))

    @property
    def compression(self) -> str | None:
        """Of a JSON Lines file: "gzip", "zstd", or None."""
        return next((codec for ending, codec in COMPRESSIONS.items() if self.path.endswith(ending)), None)

    @property
    def is_parquet(self) -> bool:
        return self.path.endswith(PARQUET)

    @property
    def is_json_lines(self) -> bool:
        plain = self.path.removesuffix(".gz").removesuffix(".zst")
        return plain.endswith(JSON_LINES)

    def open(self) -> IO[bytes]:
        return self.filesystem.open(self.path, "rb")

    def listed_again(self) -> LogFile:
        """The file as it is now; FileNotFoundError when it is gone."""
        self.filesystem.invalidate_cache()
        return _listed(self.filesystem, self.path)


def find_files(source: str | None, day: str) -> list[LogFile]:
    """The files delivered on a day ("2026-01-05"), in order of their names.

    Hidden ones, markers and what vanishes while it is looked at are left out.

    Raises:
        NothingDelivered: it holds no file of the day.
        ClickLogSourceError: no source is configured, it has no `{date}`, or it can't be reached.
    """
    if source is None:
        raise ClickLogSourceError(
            "no click log is configured: set click_log.source to the path, glob or URL of the files, such as "
            "/logs/{date}/*.jsonl.gz"
        )
    try:
        pattern = source_of(source, date.fromisoformat(day))
    except ValueError as error:
        raise ClickLogSourceError(f"click_log.source = {without_passwords(source)!r} {error}") from error
    try:
        filesystem, path = url_to_fs(pattern)
        filesystem.invalidate_cache()
        if not has_magic(path) and filesystem.isdir(path):
            path = f"{path.rstrip('/')}/*"
        files = []
        for name, info in filesystem.glob(path, detail=True).items():
            if info["type"] == "file" and not name.rsplit("/", 1)[-1].startswith((".", "_")):
                # Gone since the listing, such as a file that its writer renames when it is complete.
                with suppress(FileNotFoundError):
                    files.append(_listed(filesystem, name))
    except (OSError, ValueError, ImportError) as error:
        # No cause is kept, since its text would be shown as it is.
        raise ClickLogSourceError(without_passwords(f"click_log.source: {pattern} can't be listed: {error}")) from None
    if not files:
        raise NothingDelivered(
            f"no file at {without_passwords(pattern)}: nothing was delivered on {day}, or click_log.source points "
            "elsewhere"
        )
    return sorted(files, key=lambda file: file.path)


def without_passwords(text: str) -> str:
    """The text, with what comes before the host of every URL in it replaced by `***@`."""
    return _USER.sub("***@", text)


def source_of(source: str, day: date) -> str:
    """The source of one day.

    Raises:
        ValueError: it names no day, or would be the same on two days; the message goes on from what it is about.
    """
    if _DATES.search(source) is None:
        raise ValueError(f"lacks {DATE}, the day on which a file was delivered")

    def of(on: date) -> str:
        return _DATES.sub(lambda match: on.strftime(match["form"] or "%Y-%m-%d"), source)

    if len({of(date(*other)) for other in ((2026, 1, 5), (2026, 1, 6), (2026, 2, 5), (2027, 1, 5))}) < 4:
        raise ValueError("must tell days apart: {date:%Y/%m/%d} names year, month and day, {date} the same as %Y-%m-%d")
    return of(day)


def _listed(filesystem: fsspec.AbstractFileSystem, path: str) -> LogFile:
    # An object store answers from the listing that it has just made, without a request for each file.
    return LogFile(filesystem, path, int(filesystem.info(path)["size"] or 0), str(filesystem.ukey(path)))
