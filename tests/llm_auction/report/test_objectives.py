"""Beyond clicks: what an objective gains beside its price in revenue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from llm_auction.evaluation.objective_terms import objective_terms, with_drift
from llm_auction.report.property_records import property_figures
from llm_auction.report.records import records
from llm_auction.report.sections import SECTIONS
from llm_auction.report.sections.objectives import GUARDED, TERMS, objective_tables, objectives_section
from llm_auction.report.study import Study
from llm_auction.users.conversions import ParametricBuyer
from tests.synthetic_study import catalog, synthetic_auctions, synthetic_profile, synthetic_run

# Nothing but outcomes and objectives.
BARE: dict[str, Any] = {"fits": (), "bid_curves": None, "continuity": None, "incentives": None, "quality": None}


@pytest.fixture(scope="module")
def study() -> Study:
    """One arm an objective that answers as LLM-Auction's second iteration does, and earns 2 less."""
    profile, run = synthetic_profile(0, 10), synthetic_run(0, 10)
    second = run.outcomes.filter(mechanism="llm_auction", iteration="02")
    arms = [second.with_columns(pl.lit(arm).alias("mechanism"), pl.col("revenue") - 2.0) for arm in GUARDED]
    outcomes = pl.concat([run.outcomes, *arms])
    asked = {auction.query.query_id: auction for auction in synthetic_auctions(profile)}
    terms = objective_terms(outcomes, asked, profile, ParametricBuyer(catalog()))
    terms = with_drift(terms, [-1.0] * terms.height, [-3.0] * terms.height)
    return Study.of([replace(run, **BARE, outcomes=outcomes, objectives=terms)], 100)


def test_each_objective_has_a_table_with_its_price(study: Study) -> None:
    *prices, terms = objective_tables(study)
    assert len(prices) == len(GUARDED)
    for table, (arm, guarded) in zip(prices, GUARDED.items(), strict=True):
        assert table.label.startswith(f"Objective {arm}: ")
        assert table.headings[1:4] == ("Objective", "Revenue", "Reward")
        (base_name, base), (arm_name, cells) = table.rows
        assert base_name == "LLM-Auction, iteration 2" and arm_name.endswith(", iteration 2")
        assert base[0].text == cells[0].text, "the same answers are worth the same"
        assert base[-1].text == "" and cells[-1].text == "\N{MINUS SIGN}2.00"
        assert len(cells) == 4 + len(guarded)
        assert (arm == "kl_budget") is (cells[3].text == "2.00")
    assert terms.rows[0][0] == "Pretrained"
    assert len(terms.headings) == 1 + len(TERMS)


def test_the_section_and_the_records_are_there_where_it_was_measured(study: Study) -> None:
    section = objectives_section(study, {})
    assert section is not None and section.title == "Beyond clicks"
    assert objectives_section in SECTIONS
    found = {name for table, _, (name, _, _) in property_figures(study.pooled) if table == "objective_terms"}
    assert found >= {"term_conversions", "objective_conversions"}
    prices = [one for one in records(study) if one["metric"] == "revenue_gain_over_llm_auction"]
    assert {one["arm"]: one["value"] for one in prices if one["arm"] in GUARDED} == pytest.approx(
        dict.fromkeys(GUARDED, -2.0)
    )
    assert objectives_section(replace(study, pooled=replace(study.pooled, objectives={})), {}) is None


def test_without_arms_of_other_objectives_the_section_compares_the_mechanisms_alone() -> None:
    profile, run = synthetic_profile(0, 10), synthetic_run(0, 10)
    ablation = run.outcomes.filter(mechanism="llm_auction").with_columns(mechanism=pl.lit("no_penalty"))
    outcomes = pl.concat([run.outcomes, ablation])
    asked = {auction.query.query_id: auction for auction in synthetic_auctions(profile)}
    terms = objective_terms(outcomes, asked, profile, ParametricBuyer(catalog()))
    section = objectives_section(Study.of([replace(run, **BARE, outcomes=outcomes, objectives=terms)], 100), {})
    assert section is not None
    (table,) = section.tables
    assert not any("penalty" in label.lower() for label, _ in table.rows), "ablations have their own section"
    assert "Against LLM-Auction" not in section.note
