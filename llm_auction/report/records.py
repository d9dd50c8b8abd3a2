"""`results.json`: every figure of the report as one record, for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from llm_auction.report.property_records import property_records
from llm_auction.report.study import RewardModelFit, SeedRun, Study


def records(study: Study) -> list[dict[str, Any]]:
    """One record a profile, seed, mechanism or arm, iteration, variant and metric.

    Keys: profile, seed (null where several seeds are pooled, see `seeds`), seeds, mechanism, arm, iteration, variant,
    metric, value, ci_low, ci_high (95 %, bootstrap over test queries; null where none is computed), n (test queries, or
    held-out impressions for the reward model), run (the id of the run that made the table, null when unknown), table.
    """
    found = []
    for run in study.runs:
        found += [_outcome_record(study, row, run) for row in study.seed_tables[run.seed].iter_rows(named=True)]
        found += [record for fit in run.fits for record in _fit_records(study, run, fit)]
        found += property_records(study, run)
    if len(study.runs) > 1:
        found += [_outcome_record(study, row, None) for row in study.table.iter_rows(named=True)]
    return found


def to_json(rows: list[dict[str, Any]]) -> str:
    """The records as JSON text, one a line, with null for figures that don't exist."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _outcome_record(study: Study, row: dict[str, Any], run: SeedRun | None) -> dict[str, Any]:
    mechanism = row["mechanism"]
    return {
        "profile": study.profile,
        "seed": run.seed if run else None,
        "seeds": [run.seed] if run else list(study.seeds),
        "mechanism": mechanism,
        "arm": mechanism if row["iteration"] is not None else None,
        **{key: row[key] for key in ("iteration", "variant", "metric")},
        **{key: _finite(row[key]) for key in ("value", "ci_low", "ci_high")},
        "n": row["n"],
        "run": run.runs.get(mechanism) if run else None,
        "table": "mechanism_outcomes",
    }


def _fit_records(study: Study, run: SeedRun, fit: RewardModelFit) -> Iterator[dict[str, Any]]:
    figures = {f"pctr_{name}": value for name, value in fit.metrics.items()}
    figures |= {f"pctr_{name}_before_refit": value for name, value in fit.before.items()}
    for name, value in figures.items():
        yield {
            "profile": study.profile,
            "seed": run.seed,
            "seeds": [run.seed],
            "mechanism": None,
            "arm": fit.arm,
            "iteration": fit.iteration,
            "variant": None,
            "metric": name,
            "value": _finite(value),
            "ci_low": None,
            "ci_high": None,
            "n": fit.impressions,
            "run": run.runs.get(f"pctr_model[{fit.arm}|{fit.iteration}]"),
            "table": "pctr_model",
        }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def fits_frame(study: Study) -> pl.DataFrame:
    """The reward model's figures in long form: seed, arm, iteration (number), metric, value."""
    rows = [
        (run.seed, fit.arm, int(fit.iteration), name, float(value))
        for run in study.runs
        for fit in run.fits
        for name, value in fit.metrics.items()
    ]
    schema = {
        "seed": pl.Int64(),
        "arm": pl.String(),
        "iteration": pl.Int64(),
        "metric": pl.String(),
        "value": pl.Float64(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
