"""Which column of a file holds which of our fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice

from llm_auction.catalog.rows import SourceError

_NAMED = 40  # columns listed in an error
_NAME_LENGTH = 80  # characters of each


class ColumnMapping:
    """Our fields and the columns they are read from: the configured ones, else the usual names of a format.

    Args:
        defaults: our field -> usual column names, the first that is filled counts.
        configured: our field -> the one column that the configuration names.
        required: fields without which no row is of use.
        setting: name of the configuration field, for error messages.

    Raises:
        SourceError: `configured` names a field that is none of ours.
    """

    def __init__(
        self,
        defaults: Mapping[str, tuple[str, ...]],
        configured: Mapping[str, str],
        required: Collection[str],
        setting: str,
    ) -> None:
        unknown = sorted(set(configured) - set(defaults))
        if unknown:
            raise SourceError(f"{setting}: unknown field {', '.join(unknown)}; the fields are {', '.join(defaults)}")
        self._columns = {field: (configured[field],) if field in configured else defaults[field] for field in defaults}
        self._must_exist = {*required, *configured}
        self._setting = setting

    def value(self, values: Mapping[str, object], field: str) -> object:
        """A row's value of one of our fields; None when absent or blank."""
        for column in self._columns[field]:
            value = values.get(column)
            if value is not None and value != "":
                return value
        return None

    def check(self, source: str, seen: Collection[str]) -> None:
        """Refuse a file that lacks a required or configured column.

        Raises:
            SourceError: names the field and the columns that there are.
        """
        for field in self._columns:
            if field in self._must_exist and not any(column in seen for column in self._columns[field]):
                raise SourceError(
                    f"{source} has no column {' or '.join(self._columns[field])!r} for {field}: "
                    f"its columns are {listed(seen)}; name the right one in {self._setting}"
                )


def listed(names: Collection[str]) -> str:
    """Names of columns for an error. They are a file's own, so they are quoted, control characters escaped, and cut."""
    shown = [
        repr(name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…") for name in islice(names, _NAMED)
    ]
    return ", ".join(shown) + (" ..." if len(names) > _NAMED else "")
