"""The figures of a report on the command line, and where the report lies."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.workflows.command_line import invoke
from workflows.cli.results_table import print_results, results_table


def record(metric: str, value: float, **fields: object) -> dict[str, object]:
    defaults = {
        "profile": "laptop",
        "seed": 0,
        "seeds": [0],
        "mechanism": "llm_auction",
        "iteration": "03",
        "variant": None,
        "ci_low": None,
        "ci_high": None,
        "n": 100,
        "table": "mechanism_outcomes",
    }
    return {**defaults, "metric": metric, "value": value, **fields}


def shown(records: list[dict[str, object]]) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(results_table(records))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_results_are_shown_with_their_intervals() -> None:
    text = shown(
        [
            record("revenue_per_query", 45.6, ci_low=41.0, ci_high=50.25),
            record("format_error_rate", 0.015),
            record("answer_words", 61.4),
            record("pctr_auc", 0.78, table="pctr_model"),
            record("revenue_per_query", 19.5, mechanism="pretrained", iteration=None),
        ]
    )
    assert "profile laptop, seed 0; 95 % intervals over 100 test queries" in text
    assert re.search(r"LLM-Auction +45\.60", text)
    assert re.search(r"iteration 3 +\(41\.00–50\.25\)", text)
    assert re.search(r"Pretrained +19\.50", text)
    assert "words" in text and re.search(r"1\.5\W+% +61", text)
    assert "0.78" not in text


def test_pooled_figures_take_the_place_of_those_of_each_seed() -> None:
    text = shown(
        [
            record("revenue_per_query", 45.6, seed=0),
            record("revenue_per_query", 47.1, seed=None, seeds=[0, 1]),
        ]
    )
    assert "47.10" in text
    assert "45.60" not in text
    assert "seeds 0, 1" in text


@pytest.mark.parametrize("content", [None, "{not json"])
def test_missing_or_damaged_figures_are_a_clear_error(tmp_path: Path, content: str | None) -> None:
    results = tmp_path / "results.json"
    if content is not None:
        results.write_text(content)
    with pytest.raises(ValueError, match=r"results\.json"):
        print_results(Console(file=io.StringIO()), results)


def test_the_report_of_a_run_is_found_and_a_missing_one_is_named(tmp_path: Path) -> None:
    code, _ = invoke("report", "--path", "--data-dir", str(tmp_path))
    assert code != 0
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("<p>")
    code, text = invoke("report", "--path", "--data-dir", str(tmp_path))
    assert (code, text.strip()) == (0, str(tmp_path / "report" / "report.html"))


def test_the_path_of_a_report_is_told_as_it_is_whatever_rich_would_read_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "[" / "x]" / "report"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<p>")
    (folder / "results.json").write_text("[]")
    code, text = invoke("report", "--data-dir", str(folder.parent))
    assert code == 0
    assert f"the report: {folder}/report.html" in text
