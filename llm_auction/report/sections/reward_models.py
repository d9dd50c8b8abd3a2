"""What the reward model owes to the answer's text and to being fitted anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from llm_auction.pctr.ablation_summary import model_name
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import precise


def reward_models_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """Four reward models of the same feedback, where they were fitted."""
    pooled = study.pooled.reward_model
    if pooled is None:
        return None
    by_seed = {seed: one.reward_model for seed, one in study.properties.items() if one.reward_model is not None}

    def rows(table: pl.DataFrame) -> Iterator[Row]:
        for row in table.iter_rows(named=True):
            name = f"Iteration {int(row['iteration'])}, {model_name(row['reads_answer'], row['refreshed'])}"
            figures = ("auc", "bayes_auc", "log_loss", "ece", "ece_noise")
            yield name, [*(Cell(precise(row[figure])) for figure in figures), Cell(str(row["n"]))]

    headings = ("AUC", "Bayes AUC", "Log loss", "ECE", "ECE of noise alone", "Impressions")
    return Section(
        title="What the reward model owes to the answer and to refits",
        intro="Four reward models of the same feedback, judged at every iteration on the same held-out users.",
        plots=(),
        tables=(
            Table.of(
                "Reward models", headings, rows(pooled), {seed: list(rows(table)) for seed, table in by_seed.items()}
            ),
        ),
        note="Fitted once: on the first iteration. Refreshed: on all feedback up to this one. Bayes: the users' own "
        "click probabilities, which no model can beat on average.",
    )
