"""The sections on cost, ablations, reserve prices and reward models: who is in them, what the plot shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from llm_auction.evaluation.bid_curves import computed_points
from llm_auction.evaluation.monotonicity import LADDER
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.reserve_effects import reserve_effects
from llm_auction.pctr.ablation_summary import FIGURES
from llm_auction.report.ablation_gaps import ablation_gaps
from llm_auction.report.bid_plot import interval_band, mean_curves
from llm_auction.report.charts import plots
from llm_auction.report.cost_plot import cost_chart, cost_points
from llm_auction.report.property_records import property_figures
from llm_auction.report.results_table import results_table
from llm_auction.report.sections import Section, sections_of
from llm_auction.report.sections.table import Cell
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of
from tests.synthetic_study import FINAL, synthetic_run


@pytest.fixture(scope="module")
def study() -> Study:
    """The usual contenders, best-of-N in two settings, MOSAIC on tuned candidates, an ablation of two iterations."""
    run = synthetic_run(0, 10)
    final = run.outcomes.filter(mechanism="llm_auction", iteration="03")
    searched = [
        final.with_columns(
            mechanism=pl.lit("best_of_n"), iteration=pl.lit(None, pl.String), variant=pl.lit(f"N={n}")
        ).with_columns(pl.col("seconds") * n, pl.col("generated_tokens") * n)
        for n in (1, 20)
    ]
    ablation = run.outcomes.filter(pl.col("mechanism") == "llm_auction", pl.col("iteration") != "03")
    ablation = ablation.with_columns(pl.lit("no_iteration").alias("mechanism"), pl.col("reward") - 2.5)
    tuned = run.outcomes.filter(mechanism="mosaic").with_columns(mechanism=pl.lit("mosaic_tuned"))
    return Study.of([replace(run, outcomes=pl.concat([run.outcomes, *searched, ablation, tuned]))], 100)


def section_of(study: Study, title: str) -> Section:
    return next(section for section in sections_of(study, plots(study)) if section.title == title)


def test_cost_has_every_setting_and_the_last_iterations(study: Study) -> None:
    section = section_of(study, "What it costs, and who gains")
    names = [name for name, _ in section.tables[0].rows]
    assert {"Pretrained", "MOSAIC, argmax", "Best of N, N=1", "Best of N, N=20"} <= set(names)
    assert [name for name in names if name.startswith("LLM-Auction")] == ["LLM-Auction, iteration 3"]
    assert section.plots[0].name == "cost_revenue"
    assert "share the machine" in section.note


def test_the_plot_has_a_point_a_setting_and_a_label_a_mechanism(study: Study) -> None:
    points = cost_points(study.comparison)
    assert points.height == 1 + 2 + 2 + 2 + 1 + 1
    assert points.filter(mechanism="no_iteration").is_empty()
    drawn = cost_chart(points).to_dict()
    labels = [row["label"] for rows in drawn["datasets"].values() for row in rows if "label" in row]
    assert sorted(labels) == [
        "Best of N", "LLM-Auction", "MOSAIC", "MOSAIC on tuned candidates", "Oracle", "Pretrained",
    ]  # fmt: skip


def test_bid_curves_stand_beside_the_best_mosaic_and_one_winner(study: Study) -> None:
    run = study.runs[0]
    best = study.comparison.best("mosaic", "revenue_per_query")
    assert best is not None and run.bid_curves is not None
    others = [best, Contender("mosaic", None, "tau=99"), Contender("rag_auction", None, "k=1")]
    computed = [
        computed_points(one, query, "1000", LADDER, np.linspace(0, 0.2, len(LADDER)), 0)
        for one in others
        for query in run.bid_curves["query_id"].unique().sort()
    ]
    curves = pl.concat([run.bid_curves, *computed])
    drawn = plots(Study.of([replace(run, bid_curves=curves)], 100))
    plot = next(one for one in drawn if one.name == "bid_curve")
    ends = [row["label"] for rows in plot.drawing["datasets"].values() for row in rows if "label" in row]
    iterations = ["Iteration 1", "Iteration 2", "Iteration 3"]
    assert sorted(ends) == sorted(["Pretrained", *iterations, "MOSAIC", "RAG-Auction"])
    assert f"Dashed: {name_of(best)} (the setting that earns most); RAG-Auction, k=1." in plot.note
    assert "tau=99" not in str(plot.drawing)


def test_the_band_holds_the_mean_and_narrows_with_queries(study: Study) -> None:
    curves = study.runs[0].bid_curves
    assert curves is not None
    curves = curves.with_columns(seed=pl.lit(0))
    bands = [
        interval_band(part, FINAL, 200, seed=0)
        for part in (curves, curves.filter(pl.col("query_id") <= "q003"), curves.filter(pl.col("query_id") == "q000"))
    ]
    mean = mean_curves(curves)[FINAL]["itctr"]
    assert (bands[0]["itctr"] <= mean).all() and (mean <= bands[0]["high"]).all()
    widths = [(band["high"] - band["itctr"]).mean() for band in bands]
    assert widths[0] < widths[1] and widths[2] is None


def test_ablations_are_compared_with_the_same_iteration(study: Study) -> None:
    section = section_of(study, "Ablations")
    ((name, cells),) = section.tables[0].rows
    assert name == "No iteration, iteration 2"
    assert cells[-1].text == "pctr.refit = false"
    assert cells[3].text == "\N{MINUS SIGN}2.50"
    rows = [row.kind for row in results_table(study).rows]
    assert "no_iteration" not in rows and "best_of_n" in rows


@pytest.mark.parametrize(("second", "agrees"), [(-2.0, True), (0.5, False)])
def test_an_ablation_is_settled_only_if_every_seed_agrees(second: float, agrees: bool) -> None:
    runs = []
    for seed, change in enumerate((-2.5, second)):
        run = synthetic_run(seed, 40)
        ablation = run.outcomes.filter(mechanism="llm_auction", iteration="02")
        ablation = ablation.with_columns(pl.lit("no_iteration").alias("mechanism"), pl.col("reward") + change)
        runs.append(replace(run, outcomes=pl.concat([run.outcomes, ablation])))
    study = Study.of(runs, 200)
    _, reward = ablation_gaps(study.comparison, study.ablation_base, study.comparisons.values())
    assert reward.difference.high < 0 and (reward.agrees, reward.settled) == (agrees, agrees)
    ((_, cells),) = section_of(study, "Ablations").tables[0].rows
    assert cells[3].settled == agrees
    (found,) = (row for label, row in orderings(study).items() if label == "LLM-Auction above one reward fit, reward")
    assert found[3].text == ("yes" if agrees else "not settled")


def orderings(study: Study) -> dict[str, tuple[Cell, ...]]:
    paper = section_of(study, "The paper's tables beside ours")
    return dict(next(table.rows for table in paper.tables if table.label == "Orderings"))


def test_an_ablation_alone_has_nothing_to_be_compared_with(study: Study) -> None:
    run = study.runs[0]
    alone = replace(run, outcomes=run.outcomes.filter(pl.col("mechanism") == "no_iteration"))
    lonely = Study.of([alone], 50)
    assert FINAL not in lonely.comparison and Contender("no_iteration", "02") in lonely.comparison
    ((_, cells),) = section_of(lonely, "Ablations").tables[0].rows
    assert cells[1].text == cells[3].text == "\N{EN DASH}"


def test_every_study_has_its_bills_or_says_why_not(study: Study) -> None:
    run = replace(study.runs[0], incentives=None)

    def charged(outcomes: pl.DataFrame) -> Section:
        return section_of(Study.of([replace(run, outcomes=outcomes)], 20), "What is charged")

    names = [name for name, _ in charged(run.outcomes).tables[0].rows]
    assert {"Pretrained", "MOSAIC, argmax", "LLM-Auction, iteration 3"} <= set(names)
    assert "No iteration, iteration 2" not in names
    unknown = charged(run.outcomes.with_columns(flooded=pl.lit(None, pl.Boolean)))
    assert not unknown.tables and unknown.note.startswith("No table: the users are an LLM")
    free = charged(run.outcomes.with_columns(pl.col("payments").list.eval(pl.element() * 0.0)))
    assert not free.tables and free.note == "No table: nobody was charged anything."


def test_reserve_prices_and_reward_models_have_sections_and_records_where_they_were_measured(study: Study) -> None:
    run = study.runs[0]
    outcomes = run.outcomes.filter(pl.col("mechanism").is_in(["mosaic", "llm_auction"]))
    reserve = reserve_effects({0.0: outcomes, 40.0: outcomes.with_columns(pl.col("revenue") + 1.0)}, 50, seed=0)
    models = pl.DataFrame(
        [
            {"iteration": "01", "reads_answer": reads, "refreshed": True, **dict.fromkeys(FIGURES, 0.7), "n": 90}
            for reads in (True, False)
        ]
    )
    whole = Study.of([replace(run, reserve=reserve, reward_model=models)], 50)
    sections = {section.title: section for section in sections_of(whole, plots(whole))}
    rows = dict(sections["Reserve prices"].tables[0].rows)
    assert len(rows) == 2 * 2  # two mechanisms, each at its best setting
    assert [cells[4].text for name, cells in rows.items() if name.endswith("reserve 40")] == ["1.00", "1.00"]
    names = [name for name, _ in sections["What the reward model owes to the answer and to refits"].tables[0].rows]
    assert names == ["Iteration 1, with the answer, refreshed", "Iteration 1, without the answer, refreshed"]
    figures = list(property_figures(whole.pooled))
    assert {table for table, _, _ in figures} >= {"reserve_prices", "reward_model_ablation"}
    changes = [found.value for _, _, (name, found, _) in figures if name == "revenue_per_query_change[reserve=40]"]
    assert changes == pytest.approx([1.0] * len(changes)) and changes
