"""The record of one measurement, the file that holds them and the table that shows them."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

UNBOUNDED = 1000  # columns; a table takes as many as it needs


@dataclass(frozen=True, slots=True)
class Record:
    """`value` is ours and `against` that of `baseline`, both in `unit`; `ratio` says how many times better ours is.

    All three are None where `note` says why there is no figure: NOT RUN, or nothing to compare with. `exact` is the
    largest relative deviation of our results from the baseline's, None where both draw at random.
    """

    bench: str
    case: str
    value: float | None
    unit: str
    against: float | None
    ratio: float | None
    device: str
    exact: float | None
    baseline: str
    note: str = ""

    @property
    def result(self) -> str:
        """The ratio, or why there is none."""
        return self.note if self.ratio is None else f"{self.ratio:.1f} x"


def not_run(bench: str, case: str, reason: str, baseline: str) -> Record:
    """The record of a case that this device can't run."""
    return Record(bench, case, None, "", None, None, device_name(), None, baseline, f"NOT RUN: {reason}")


def seconds() -> float:
    """A clock for differences: the processor's time, on a GPU the wall's once its queue is empty."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def device_name() -> str:
    """The device in words: a GPU's name, or the processor and the threads used."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    name = models[0].split(":", 1)[1].strip() if models else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} thread(s)"


def add_record(path: Path, record: Record) -> None:
    """Append one JSON object as a line, at once: a benchmark that is cut short keeps what it has measured."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read_records(path: Path) -> list[Record]:
    """The records of a file; none where there is no file."""
    if not path.exists():
        return []
    return [Record(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def print_table(records: Sequence[Record]) -> None:
    """The records for people, a line each; as wide as that takes where no terminal bounds it."""
    table = Table(title="Benchmarks", title_justify="left")
    for heading in ("bench", "case", "ours", "baseline", "unit", "ratio", "deviation", "against"):
        table.add_column(heading, justify="left" if heading in ("bench", "case", "unit", "against") else "right")
    notes = []
    for record in records:
        if record.value is None:
            notes.append(f"{record.bench} {record.case}: {record.note}")
            continue
        table.add_row(
            record.bench,
            record.case,
            f"{record.value:,.4g}",
            f"{record.against:,.4g}",
            record.unit,
            record.result,
            "" if record.exact is None else f"{record.exact:.1e}",
            record.baseline,
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=UNBOUNDED)
    console.print(table)
    for note in notes:
        console.print(note, highlight=False, markup=False)
