"""The paper's figures beside ours: every row says which version of it reports that."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from llm_auction.report.sections.paper import paper_section
from llm_auction.report.sections.table import Cell
from llm_auction.report.study import Study
from llm_auction.report.wording import MINUS, number
from tests.synthetic_study import FINAL, synthetic_run

Rows = dict[str, tuple[Cell, ...]]


def study() -> Study:
    """The usual contenders, and one of the paper's ablations, 2.5 of reward worse than LLM-Auction."""
    run = synthetic_run(0, 10)
    ablation = run.outcomes.filter(mechanism="llm_auction", iteration="02")
    ablation = ablation.with_columns(pl.lit("no_iteration").alias("mechanism"), pl.col("reward") - 2.5)
    return Study.of([replace(run, outcomes=pl.concat([run.outcomes, ablation]))], 100)


def tables(of: Study) -> dict[str, Rows]:
    section = paper_section(of, {})
    assert section is not None
    return {table.label: dict(table.rows) for table in section.tables}


def test_both_versions_stand_beside_ours() -> None:
    of = study()
    found = tables(of)
    assert [cells[0].text for cells in found["Figures, first version"].values()] == [
        "46.88",
        "73.29",
        "125.28",
        "174.64",
    ]
    second = found["Figures, second version"]
    assert {name: cells[0].text for name, cells in second.items()} == {
        "LLM-Auction's revenue, of MOSAIC's": "1.59",
        "Reward, Pretrained": f"{MINUS}15.27",
        "Reward, LLM-Auction": "81.86",
        "Reward gained by training": "97.13",
    }
    reward = of.comparison.interval(FINAL, "reward_per_query").value
    assert second["Reward, LLM-Auction"][1].text == number(reward)


def test_every_ordering_says_its_version_and_whether_it_is_found_again() -> None:
    orderings = tables(study())["Orderings"]
    versions = {name: cells[0].text for name, cells in orderings.items()}
    assert versions["LLM-Auction above MOSAIC, revenue"] == "v1"
    ablation = "LLM-Auction above one reward fit, reward"
    assert versions[ablation] == "v2" and "LLM-Auction above pCTR without the answer, reward" not in versions
    _, theirs, ours, again = orderings[ablation]
    assert (theirs.text, ours.text, again.text) == ("above", "2.50", "yes")
    assert orderings["LLM-Auction above one reward fit, revenue"][3].text == "not settled"


@pytest.mark.parametrize("missing", ["pretrained", "llm_auction"])
def test_nothing_to_set_beside_it(missing: str) -> None:
    run = synthetic_run(0, 10)
    outcomes = run.outcomes.filter(pl.col("mechanism") != missing)
    assert paper_section(Study.of([replace(run, outcomes=outcomes)], 100), {}) is None
