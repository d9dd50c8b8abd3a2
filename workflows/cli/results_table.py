"""The results table that ends a run: the figures of `results.json`, with their 95 % intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Metric of results.json -> heading, and whether it is shown with its interval.
COLUMNS = (
    ("revenue_per_query", "revenue\nper query", True),
    ("reward_per_query", "reward\nper query", True),
    ("clairvoyant_reward_share", "of the\nbound", False),
    ("format_error_rate", "format\nerrors", False),
    ("answer_words", "words", False),
    ("generations_per_query", "drawn", False),
)


def print_results(console: Console, results: Path) -> None:
    """Print the table of one `results.json`.

    Raises:
        ValueError: the file is missing or is not a list of records.
    """
    try:
        records = json.loads(results.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"no figures at {results}: materialize study_report, or run `llm-auction run`") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{results} can't be read: {error}") from error
    console.print(results_table(records))


def results_table(records: Iterable[Mapping[str, Any]]) -> Table:
    """One row a mechanism, iteration and variant; pooled figures where the report pools several seeds."""
    from rich.table import Table

    from llm_auction.evaluation.outcomes import Contender
    from llm_auction.report.wording import name_of

    figures = [record for record in records if record["table"] == "mechanism_outcomes"]
    if any(record["seed"] is None for record in figures):
        figures = [record for record in figures if record["seed"] is None]
    rows: dict[Contender, dict[str, Mapping[str, Any]]] = {}
    for record in figures:
        contender = Contender(record["mechanism"], record["iteration"], record["variant"])
        rows.setdefault(contender, {})[record["metric"]] = record
    table = Table(title=_title(figures), title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for _, heading, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for contender, metrics in rows.items():
        cells = [_cell(metrics.get(name), with_interval) for name, _, with_interval in COLUMNS]
        table.add_row(name_of(contender).replace(", ", "\n  "), *cells)
    return table


def _title(figures: list[Mapping[str, Any]]) -> str | None:
    if not figures:
        return None
    first = figures[0]
    seeds = ", ".join(map(str, first["seeds"]))
    word = "seed" if len(first["seeds"]) == 1 else "seeds"
    return f"profile {first['profile']}, {word} {seeds}; 95 % intervals over {first['n']} test queries"


def _cell(record: Mapping[str, Any] | None, with_interval: bool) -> str:
    from llm_auction.evaluation.bootstrap import Interval
    from llm_auction.evaluation.metrics import metric
    from llm_auction.report.wording import interval, number

    if record is None:
        return ""
    unit = metric(record["metric"]).unit
    text = number(record["value"], unit)
    spread = interval(Interval(record["value"], record["ci_low"], record["ci_high"]), unit) if with_interval else ""
    return f"{text}\n[dim]({spread})[/]" if spread else text
