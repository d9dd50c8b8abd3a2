"""Write a report: `report.html`, `results.json` and the plots as PNG files, each replaced whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llm_auction.report.charts import plots
from llm_auction.report.drawing import png
from llm_auction.report.page import render_page
from llm_auction.report.plot import Plot
from llm_auction.report.records import records, to_json
from llm_auction.report.study import SeedRun, Study


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written, and the study it shows. `pngs` are the plots by name."""

    html: Path
    results: Path
    pngs: Mapping[str, Path]
    study: Study
    plots: Sequence[Plot]


def build_report(
    runs: Sequence[SeedRun],
    folder: Path,
    resamples: int,
    created: datetime,
    facts: Mapping[str, str] | None = None,
) -> ReportFiles:
    """Compare one run, or several runs of one profile under different seeds, and write the report into `folder`.

    Args:
        runs: one for each seed.
        folder: is made when missing; files of an earlier report there are replaced one by one.
        resamples: bootstrap resamples.
        created: shown on the page.
        facts: what else the page should say of how it was measured, such as versions.

    Raises:
        ValueError: the runs can't be compared.
        OSError: the folder can't be written; a file is old or new, never half of each.
    """
    study = Study.of(runs, resamples)
    drawn = plots(study)
    page = render_page(study, drawn, created, facts or {})
    folder.mkdir(parents=True, exist_ok=True)
    pngs = {
        plot.name: _write(folder / f"{plot.name}.png", png(plot.drawing, plot.title, plot.legend)) for plot in drawn
    }
    results = _write(folder / "results.json", to_json(records(study)).encode())
    return ReportFiles(_write(folder / "report.html", page.encode()), results, pngs, study, drawn)


def _write(path: Path, content: bytes) -> Path:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path
