"""The frames behind the plots: a metric over iterations, pooled and for each seed, and the horizontal references."""

from __future__ import annotations

import polars as pl

from llm_auction.evaluation.efficiency import PRETRAINED
from llm_auction.report.palette import SERIES
from llm_auction.report.study import Study

POINT_SCHEMA = {
    "arm": pl.String(),
    "iteration": pl.Int64(),
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
}


def over_iterations(study: Study, metric: str) -> pl.DataFrame:
    """A metric of LLM-Auction and the Oracle by iteration, with its interval; iteration 0 is the pretrained model."""
    return _with_start(study.table, metric).select(list(POINT_SCHEMA))


def over_iterations_by_seed(study: Study, metric: str) -> pl.DataFrame:
    """The same for each seed alone, with a column `seed`; empty for a single seed."""
    if len(study.runs) == 1:
        return pl.DataFrame(schema={**POINT_SCHEMA, "seed": pl.Int64()})
    return pl.concat(
        _with_start(table, metric).select(list(POINT_SCHEMA)).with_columns(pl.lit(seed, dtype=pl.Int64).alias("seed"))
        for seed, table in study.seed_tables.items()
    )


def references(study: Study, metric: str) -> pl.DataFrame:
    """Horizontal references of a metric that exist, from low to high: `name` (palette colour), `label`, `value`."""
    comparison = study.comparison
    found: list[tuple[str, str, float | None]] = []
    if PRETRAINED in comparison:
        found.append(("pretrained", "Pretrained", comparison.interval(PRETRAINED, metric).value))
    if metric in ("revenue_per_query", "reward_per_query"):
        best = comparison.best("mosaic", metric)
        if best is not None:
            setting = (best.variant or "").replace("tau=", "τ = ")
            found.append(("mosaic", f"MOSAIC, {setting}".rstrip(", "), comparison.interval(best, metric).value))
        found.append(("clairvoyant", "Clairvoyant bound", comparison.clairvoyant(metric).value))
    rows = sorted((row for row in found if row[2] is not None), key=lambda row: row[2] or 0.0)
    return pl.DataFrame(rows, schema={"name": pl.String(), "label": pl.String(), "value": pl.Float64()}, orient="row")


def _with_start(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    rows = table.filter(pl.col("metric") == metric, pl.col("value").is_not_null())
    trained = rows.filter(pl.col("mechanism").is_in(list(SERIES)), pl.col("iteration").is_not_null()).with_columns(
        pl.col("mechanism").alias("arm"), pl.col("iteration").cast(pl.Int64)
    )
    start = rows.filter(pl.col("mechanism") == PRETRAINED.mechanism)
    starts = [
        start.with_columns(pl.lit(arm).alias("arm"), pl.lit(0, dtype=pl.Int64).alias("iteration"))
        for arm in trained["arm"].unique(maintain_order=True)
    ]
    return pl.concat([*starts, trained]).sort("arm", "iteration")
