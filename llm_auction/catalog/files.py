"""Finding the files of a source, telling their format, and reading their rows."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from llm_auction.catalog.delimited import read_delimited
from llm_auction.catalog.merchant import MERCHANT_MARKS, merchant_name, read_merchant_xml
from llm_auction.catalog.rows import SourceError, SourceRow

_SNIFFED = 1 << 16  # bytes of a file's beginning from which its format is told


def find_files(source: str) -> list[Path]:
    """The files that a path or glob names, in sorted order.

    Raises:
        SourceError: nothing there, or a directory without a pattern.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        raise SourceError(f"{source} is a directory: give a file or a pattern such as {source.rstrip('/')}/*.csv")
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
    if not found:
        raise SourceError(f"no file matches {source} (working directory {Path.cwd()})")
    return found


def detect_format(path: Path) -> str:
    """The format of a file by its content: jsonl, csv, tsv, parquet, merchant-tsv or merchant-xml.

    Raises:
        SourceError: empty, or of no format that is known here.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(_SNIFFED)
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror or error}") from error
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and "<" not in head.decode("utf-16", "ignore")[:200]:
        raise SourceError(f"{path} is UTF-16 text: save it as UTF-8")
    text = head.replace(b"\x00", b"").removeprefix(b"\xef\xbb\xbf").decode("latin-1").removeprefix("\xff\xfe").lstrip()
    if not text:
        raise SourceError(f"{path} is empty")
    if text.startswith(("<", "\xfe\xff<")):
        return "merchant-xml"
    if text.startswith("{"):
        return "jsonl"
    if text.startswith("["):
        raise SourceError(f"{path} is a JSON array: write it as JSON Lines, one object a line")
    header = text.splitlines()[0]
    if "\t" in header:
        names = {merchant_name(name.strip('"')) for name in header.split("\t")}
        return "merchant-tsv" if {"id", "title"} <= names and names & MERCHANT_MARKS else "tsv"
    if "," in header:
        return "csv"
    separator = next((character for character in ";|" if character in header), None)
    if separator is not None:
        raise SourceError(f"{path}: its columns seem to be separated by {separator!r}: save it with commas or tabs")
    raise SourceError(f"{path}: the format can't be told from its content (beginning with {header[:60]!r})")


def read_rows(path: Path, format_: str) -> Iterator[SourceRow]:
    """The rows of one file; `format_` as `detect_format` names it.

    Raises:
        SourceError: the file as a whole can't be read in this format.
    """
    readers = {
        "jsonl": _read_jsonl,
        "csv": lambda path: read_delimited(path, ","),
        "tsv": lambda path: read_delimited(path, "\t"),
        "parquet": _read_parquet,
        "merchant-tsv": _read_merchant_tsv,
        "merchant-xml": read_merchant_xml,
    }
    try:
        yield from readers[format_](path)
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b".").splitlines())
        wrong = f"line {line}, byte {error.start}: {error.object[error.start]:#04x}"
        raise SourceError(f"{path} is not UTF-8 text ({wrong}): save it as UTF-8") from error
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror or error}") from error


def _read_jsonl(path: Path) -> Iterator[SourceRow]:
    # A byte that is no UTF-8 becomes a lone surrogate, so that it costs its own line and not the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as handle:
        for number, line in enumerate(handle, start=1):
            raw = line.strip()
            if not raw:
                continue
            try:
                raw.encode("utf-8")
            except UnicodeEncodeError as error:
                wrong = raw[error.start].encode("utf-8", "surrogateescape")[0]
                problem = f"is not UTF-8 text ({wrong:#04x}): save the file as UTF-8"
                shown = raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                yield SourceRow(str(path), number, {}, shown, problem)
                continue
            try:
                values = json.loads(raw)
            except (ValueError, RecursionError) as error:
                yield SourceRow(str(path), number, {}, raw, f"is not JSON: {error}")
                continue
            if isinstance(values, dict):
                yield SourceRow(str(path), number, values, raw)
            else:
                yield SourceRow(str(path), number, {}, raw, "is not a JSON object")


def _read_parquet(path: Path) -> Iterator[SourceRow]:
    try:
        with path.open("rb") as handle:  # a name may hold what Polars takes for a pattern, or be no UTF-8
            frame = pl.read_parquet(handle)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{path} is not a readable Parquet file: {error}") from error
    for number, values in enumerate(frame.iter_rows(named=True), start=1):
        yield SourceRow(str(path), number, values, json.dumps(values, ensure_ascii=False, default=str))


def _read_merchant_tsv(path: Path) -> Iterator[SourceRow]:
    for row in read_delimited(path, "\t"):
        values = {merchant_name(name): value for name, value in row.values.items()}
        yield SourceRow(row.source, row.number, values, row.raw, row.problem)
