"""`python -m tests.benchmarks`; see the package."""

from __future__ import annotations

import argparse
import tempfile
from itertools import chain
from pathlib import Path

from tests.benchmarks.click_log import click_log_records
from tests.benchmarks.client import client_records
from tests.benchmarks.dpo import dpo_records
from tests.benchmarks.nightly import nightly_records
from tests.benchmarks.records import add_record, print_table, read_records
from tests.benchmarks.sampling import sampling_records


def main() -> None:
    """Run the benchmarks, print their table and write their records."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Benchmarks of sampling, DPO, a client, logs, a refit.",
    )
    parser.add_argument("--only", choices=["dpo", "sampling", "client", "click_log", "nightly"])
    parser.add_argument("--output", type=Path, default=Path("bench.jsonl"))
    parser.add_argument("--repeats", type=int, default=3, help="The fastest counts.")
    parser.add_argument("--impressions", type=int, default=100_000, help="Of click log and refit, run once.")
    parser.add_argument("--resume", action="store_true", help="Keep the output file and measure what it lacks.")
    options = parser.parse_args()
    records = [record for record in read_records(options.output) if record.value is not None] if options.resume else []
    options.output.unlink(missing_ok=True)
    for record in records:
        add_record(options.output, record)
    known = {record.case for record in records}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = []
        if options.only in (None, "sampling"):
            sources.append(sampling_records(folder, options.repeats, known))
        if options.only in (None, "dpo"):
            sources.append(dpo_records(folder, options.repeats, known))
        if options.only in (None, "client"):
            sources.append(client_records(options.repeats, known))
        if options.only in (None, "click_log"):
            sources.append(click_log_records(folder, options.impressions, known))
        if options.only in (None, "nightly"):
            sources.append(nightly_records(folder, options.impressions, known))
        for record in chain.from_iterable(sources):
            print(f"{record.bench} {record.case}: {record.result}", flush=True)
            add_record(options.output, record)
            records.append(record)
    print_table(records)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
