"""The tables of the sections, as the page and the metadata of assets show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.wording import interval, name_of, number


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure as text, with its interval as text (may be empty)."""

    text: str
    interval: str = ""

    @classmethod
    def of(cls, figure: Interval, unit: str = "") -> Cell:
        return cls(number(figure.value, unit), interval(figure, unit))


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its first heading is that of the row names; `label` says what it is."""

    label: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]

    def markdown(self) -> str:
        """The same as Markdown, for the metadata of an asset."""
        lines = [
            "| " + " | ".join(self.headings) + " |",
            "| " + " | ".join(["---", *("---:" for _ in self.headings[1:])]) + " |",
        ]
        for name, cells in self.rows:
            texts = [f"{cell.text} ({cell.interval})" if cell.interval else cell.text for cell in cells]
            lines.append("| " + " | ".join([name, *texts]) + " |")
        return "\n".join(lines)


def seed_table(
    label: str,
    headings: Iterable[str],
    rows: Mapping[int, Iterable[tuple[Contender | str, Iterable[Cell]]]],
) -> Table:
    """A table over the seeds of a study: rows by seed, each named by its contender; the seed stands before the name
    where there are several.

    Args:
        label: what the table is.
        headings: of all columns but the first.
        rows: by seed.
    """
    several = len(rows) > 1
    named = [
        (f"{seed}, {_name(one)}" if several else _name(one), tuple(cells))
        for seed, of_seed in rows.items()
        for one, cells in of_seed
    ]
    return Table(label, ("Seed and model" if several else "Model", *headings), tuple(named))


def _name(one: Contender | str) -> str:
    return one if isinstance(one, str) else name_of(one)
