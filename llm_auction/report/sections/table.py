"""The tables of the sections, as the page and the metadata of assets show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.wording import interval, name_of, number


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure as text, its interval as text (may be empty), and whether it is settled among all of its table."""

    text: str
    interval: str = ""
    settled: bool = False

    @classmethod
    def of(cls, figure: Interval, unit: str = "", settled: bool = False) -> Cell:
        return cls(number(figure.value, unit), interval(figure, unit), settled)


Row = tuple[Contender | str, Iterable[Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its first heading is that of the row names; `label` says what it is.

    `each_seed` has the same of every seed alone, where several are pooled.
    """

    label: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    each_seed: Table | None = None

    @classmethod
    def of(
        cls, label: str, headings: Iterable[str], rows: Iterable[Row], by_seed: Mapping[int, Iterable[Row]]
    ) -> Table:
        """The table of a study.

        Args:
            label: what the table is.
            headings: of all columns but the first.
            rows: of the study as a whole, each named by its contender.
            by_seed: the same of every seed; shown where there are several.
        """
        columns = tuple(headings)
        alone = [(f"Seed {seed}: {_name(one)}", tuple(cells)) for seed, own in by_seed.items() for one, cells in own]
        return cls(
            label,
            ("Model", *columns),
            tuple((_name(one), tuple(cells)) for one, cells in rows),
            cls(f"{label}, each seed", ("Seed and model", *columns), tuple(alone)) if len(by_seed) > 1 else None,
        )

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


def _name(one: Contender | str) -> str:
    return one if isinstance(one, str) else name_of(one)
