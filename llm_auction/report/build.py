"""Write a report: page, figures as JSON, CSV and Parquet, plots as PNG files.

All of it is made and laid aside before the first file takes its place, so that a full disk leaves the earlier report as
it was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
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

TABLES = "tables"  # the folder of the figures beside the page


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
        folder: is made when missing; the plots and tables of an earlier report there are replaced, or removed.
        resamples: bootstrap resamples.
        created: shown on the page.
        facts: what else the page should say of how it was measured, such as versions.
        ablation_base: the arm that ablations are compared with.
        failed: what was to be measured and could not be, a line each with its reason.

    Raises:
        ValueError: the runs can't be compared.
        OSError: the folder can't be written; an earlier report there is left whole.
    """
    study = Study.of(runs, resamples, ablation_base)
    drawn = plots(study)
    page = render_page(study, drawn, created, facts or {}, failed)
    found = records(study)
    tables = _tables(found)
    pngs = {f"{plot.name}.png": png(plot.drawing, plot.title, plot.legend) for plot in drawn}
    _write(folder, {**pngs, **tables, "results.json": to_json(found).encode(), "report.html": page.encode()})
    _remove_others(folder, {*pngs, *tables})
    return ReportFiles(
        folder / "report.html",
        folder / "results.json",
        {name: (folder / _csv(name), folder / _parquet(name)) for name in figure_tables(found)},
        {plot.name: folder / f"{plot.name}.png" for plot in drawn},
        study,
        drawn,
    )


def _tables(found: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """The records by the table that they come from, each as CSV and as Parquet, by file name."""
    written = {}
    for name, figures in figure_tables(found).items():
        parquet = BytesIO()
        figures.write_parquet(parquet)
        # CSV has no lists: seeds and runs are joined by spaces.
        lists = [pl.col(column).cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True) for column in LISTS]
        written[_csv(name)] = figures.with_columns(lists).write_csv().encode()
        written[_parquet(name)] = parquet.getvalue()
    return written


def _csv(table: str) -> str:
    return f"{TABLES}/{table}.csv"


def _parquet(table: str) -> str:
    return f"{TABLES}/{table}.parquet"


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files by their names in a folder: none of them before all are on the disk."""
    asides: dict[Path, Path] = {}
    try:
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            asides[path] = path.with_name(f".{path.name}.{os.getpid()}")
            asides[path].write_bytes(content)
        for path, aside in asides.items():
            os.replace(aside, path)
    finally:
        for aside in asides.values():
            aside.unlink(missing_ok=True)


def _remove_others(folder: Path, written: Set[str]) -> None:
    """Remove the plots and tables of an earlier report that this one does not have."""
    for pattern in ("*.png", f"{TABLES}/*.csv", f"{TABLES}/*.parquet"):
        for path in folder.glob(pattern):
            if path.relative_to(folder).as_posix() not in written:
                path.unlink()
