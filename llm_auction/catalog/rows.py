"""Rows as they come out of a file, before anybody judges them, and rows that were judged and turned down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ID_LENGTH = 64
RAW_LENGTH = 2000  # characters of a row's original text that are kept with its rejection


class SourceError(ValueError):
    """A file can't be read at all; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a file.

    `number` is where to look: the line on which the row starts in a text file (the header is line 1), else the
    position of the row or item, from 1. `values` holds the columns, empty when the row could not be taken apart:
    `problem` then says why.
    """

    source: str
    number: int
    values: Mapping[str, object]
    raw: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that did not get through: nothing is lost, everything has its reason.

    `row_id` is the row's own id where it could be read; `field` is ours, "" when the whole row is at fault.
    """

    source: str
    row: int
    row_id: str | None
    field: str
    reason: str
    raw: str


class InvalidField(ValueError):
    """One field of a row does not hold what it should."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def reject(row: SourceRow, row_id: object, field: str, reason: str) -> RejectedRow:
    """The record of a row's rejection; `row_id` is the id as the file has it, None when it is absent."""
    shown_id = None if row_id is None else storable(str(row_id))[:ID_LENGTH]
    source, raw = storable(row.source), storable(row.raw)[:RAW_LENGTH]
    return RejectedRow(source, row.number, shown_id, field, storable(reason), raw)


def storable(text: str) -> str:
    """Text that can be written as UTF-8: a lone surrogate becomes its escape. The name of a file may hold one."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
