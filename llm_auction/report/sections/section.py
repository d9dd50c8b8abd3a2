"""One section of the report: words, plots and tables about one question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_auction.report.plot import Plot
from llm_auction.report.sections.table import Table
from llm_auction.report.study import Study


@dataclass(frozen=True, slots=True)
class Section:
    """What is asked (`intro`), plots and tables that answer it, and how to read them (`note`, may be empty)."""

    title: str
    intro: str
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]
    note: str


# The section of a study, given its plots by name; None where nothing of it was measured.
MakeSection = Callable[[Study, Mapping[str, Plot]], Section | None]
