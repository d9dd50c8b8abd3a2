"""A report of users that are an LLM: what it did not judge is left out, and the page says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from llm_auction.evaluation.outcomes import OF_CLICKS
from llm_auction.report.charts import plots
from llm_auction.report.page import render_page
from llm_auction.report.study import Study
from tests.synthetic_study import synthetic_run


def test_the_page_names_the_queries_that_are_left_out() -> None:
    run = synthetic_run(0, 10)
    unjudged = (
        (pl.col("mechanism") == "llm_auction")
        & (pl.col("iteration") == "03")
        & (pl.col("query_id") == run.outcomes["query_id"].min())
    )
    gaps = run.outcomes.with_columns(pl.when(~unjudged).then(pl.col(name)).alias(name) for name in OF_CLICKS)
    study = Study.of([replace(run, outcomes=gaps, bid_curves=None, continuity=None, incentives=None, fits=())], 50)
    page = render_page(study, plots(study), datetime(2026, 1, 1), {})
    assert "9, of users unseen in training; 1 more left out, of which the User-LLM judged no answer" in page
