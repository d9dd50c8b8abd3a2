"""The plots over iterations: where labels stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from llm_auction.report.charts import plots
from llm_auction.report.study import Study
from tests.synthetic_study import synthetic_run

BOUND = 70.0  # the revenue of the synthetic bound


@pytest.mark.parametrize(("revenue", "beside"), [(BOUND - 30, "bottom"), (BOUND - 1, "top")])
def test_the_label_of_a_reference_right_below_another_stands_under_its_line(revenue: float, beside: str) -> None:
    run = synthetic_run(0, 4)
    mosaic = pl.when(mechanism="mosaic").then(revenue).otherwise("revenue")
    study = Study.of([replace(run, outcomes=run.outcomes.with_columns(revenue=mosaic))], 20)
    drawing = next(plot.drawing for plot in plots(study) if plot.name == "revenue_per_query")
    baselines = {label: mark["baseline"] for label, mark in _labels(drawing)}
    assert baselines.pop(next(label for label in baselines if label.startswith("MOSAIC"))) == beside
    assert set(baselines.values()) == {"bottom"} and len(baselines) == 2


def _labels(drawing: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every text of the drawing with its mark."""
    texts = [layer for layer in drawing["layer"] if layer["mark"]["type"] == "text"]
    return [(drawing["datasets"][layer["data"]["name"]][0]["label"], layer["mark"]) for layer in texts]
