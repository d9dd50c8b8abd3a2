"""Write a report: page, figures as JSON, CSV and Parquet, plots as PNG files, each file replaced whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from llm_auction.report.charts import plots
from llm_auction.report.drawing import png
from llm_auction.report.page import render_page
from llm_auction.report.plot import Plot
from llm_auction.report.records import LISTS, figure_tables, records, to_json
from llm_auction.report.study import SeedRun, Study


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written, and the study it shows. `pngs` are the plots by name, `tables` the figures by their source."""

    html: Path
    results: Path
    tables: Mapping[str, tuple[Path, Path]]
    pngs: Mapping[str, Path]
    study: Study
    plots: Sequence[Plot]


def build_report(
    runs: Sequence[SeedRun],
    folder: Path,
    resamples: int,
    created: datetime,
    facts: Mapping[str, str] | None = None,
    ablation_base: str = "llm_auction",
    failed: Sequence[str] = (),
) -> ReportFiles:
    """Compare one run, or several runs of one profile under different seeds, and write the report into `folder`.

    Args:
        runs: one for each seed.
        folder: is made when missing; files of an earlier report there are replaced one by one.
        resamples: bootstrap resamples.
        created: shown on the page.
        facts: what else the page should say of how it was measured, such as versions.
        ablation_base: the arm that ablations are compared with.
        failed: what was to be measured and could not be, a line each with its reason.

    Raises:
        ValueError: the runs can't be compared.
        OSError: the folder can't be written; a file is old or new, never half of each.
    """
    study = Study.of(runs, resamples, ablation_base)
    drawn = plots(study)
    page = render_page(study, drawn, created, facts or {}, failed)
    folder.mkdir(parents=True, exist_ok=True)
    pngs = {
        plot.name: _write(folder / f"{plot.name}.png", png(plot.drawing, plot.title, plot.legend)) for plot in drawn
    }
    found = records(study)
    results = _write(folder / "results.json", to_json(found).encode())
    tables = _write_tables(folder / "tables", found)
    return ReportFiles(_write(folder / "report.html", page.encode()), results, tables, pngs, study, drawn)


def _write_tables(folder: Path, found: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Path, Path]]:
    """The records by the table that they come from, each as CSV and as Parquet."""
    folder.mkdir(exist_ok=True)
    written = {}
    for name, figures in figure_tables(found).items():
        parquet = BytesIO()
        figures.write_parquet(parquet)
        # CSV has no lists: seeds and runs are joined by spaces.
        lists = [pl.col(column).cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True) for column in LISTS]
        csv = figures.with_columns(lists).write_csv()
        written[name] = (
            _write(folder / f"{name}.csv", csv.encode()),
            _write(folder / f"{name}.parquet", parquet.getvalue()),
        )
    return written


def _write(path: Path, content: bytes) -> Path:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path
