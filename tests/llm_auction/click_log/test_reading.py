"""Reading the lines of a file: each keeps its number."""

from __future__ import annotations

from pathlib import Path

from llm_auction.click_log.files import find_files
from llm_auction.click_log.reading import read_lines
from tests.click_logs import DAY, write_log


def test_lines_keep_their_numbers_whatever_stands_between(tmp_path: Path) -> None:
    """Empty and over-long lines, broken encodings and reads that end anywhere move no line."""
    long = b"x" * 5_000_000
    lines = [b"a", b"", b" \r", long, b"b\xff", long + long, b"\t c\r", b"\xc3\xa4", long]
    for ending in (b"", b"\n"):
        write_log(tmp_path, {"log.jsonl": b"\n".join(lines) + ending})
        (file,) = find_files(f"{tmp_path}/{{date}}/*", DAY)
        rows = [row for batch in read_lines(file) for row in batch.to_pylist()]
        assert [(row["line"], row["text"][:5], row["fault"]) for row in rows] == [
            (1, "a", None),
            (4, "xxxxx", "line_too_long"),
            (5, "b\\xff", "bad_encoding"),
            (6, "xxxxx", "line_too_long"),
            (7, "c", None),
            (8, "\u00e4", None),
            (9, "xxxxx", "line_too_long"),
        ]
