"""`results.json`: every figure of the report as one record, for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.efficiency import PRETRAINED, Comparison
from llm_auction.evaluation.outcomes import Contender
from llm_auction.profiles.arms import OBJECTIVES
from llm_auction.report.ablation_gaps import ablation_gaps
from llm_auction.report.properties import Properties
from llm_auction.report.property_records import property_figures
from llm_auction.report.study import RewardModelFit, SeedRun, Study


def records(study: Study) -> list[dict[str, Any]]:
    """One record a profile, seed, mechanism or arm, iteration, variant and metric.

    Keys: profile, seed (null where several seeds are pooled), seeds (those behind the figure), mechanism, arm,
    iteration, variant, metric, value, ci_low, ci_high (95 %; null where none is computed), n (test queries, or held-out
    impressions for the reward model), run (the id of the run that made the table, null when unknown or pooled), table
    (of the lake, where the rows behind the figure lie), runs (the run of each of the seeds).
    """
    found: list[dict[str, Any]] = []
    for run in study.runs:
        found += _figures(study, run.seed, study.seed_tables[run.seed], study.properties[run.seed])
        found += [record for fit in run.fits for record in _fit_records(study, run, fit)]
    if len(study.runs) > 1:
        found += _figures(study, None, study.table, study.pooled)
    return found


RECORD_SCHEMA: dict[str, pl.DataType] = {
    "profile": pl.String(),
    "seed": pl.Int64(),
    "seeds": pl.List(pl.Int64()),
    **dict.fromkeys(("mechanism", "arm", "iteration", "variant", "metric"), pl.String()),
    **dict.fromkeys(("value", "ci_low", "ci_high"), pl.Float64()),
    "n": pl.Int64(),
    "run": pl.String(),
    "table": pl.String(),
    "runs": pl.List(pl.String()),
}
LISTS = ("seeds", "runs")


def figure_tables(rows: Sequence[Mapping[str, Any]]) -> dict[str, pl.DataFrame]:
    """The records as frames of `RECORD_SCHEMA`, one for each table that they come from."""
    frame = pl.DataFrame(rows, schema=RECORD_SCHEMA)
    parts = frame.partition_by("table", as_dict=True, maintain_order=True)
    return {str(name): part for (name,), part in parts.items()}


def to_json(rows: list[dict[str, Any]]) -> str:
    """The records as JSON text, one a line, with null for figures that don't exist."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _figures(study: Study, seed: int | None, table: pl.DataFrame, properties: Properties) -> Iterator[dict[str, Any]]:
    """What was measured under one seed, or under all of them pooled."""
    for row in table.iter_rows(named=True):
        contender = Contender(row["mechanism"], row["iteration"], row["variant"])
        figure = Interval(row["value"], row["ci_low"], row["ci_high"])
        source = ("mechanism_outcomes", contender.mechanism)
        yield _record(study, seed, contender, (row["metric"], figure, row["n"]), *source)
    charges = study.worst_charges if seed is None else study.charges[seed]
    for contender, found in charges.items():
        source = ("mechanism_outcomes", contender.mechanism)
        for name, value in (
            ("least_charged_utility", found.least_utility),
            ("largest_payment_share", found.largest_share),
        ):
            yield _record(study, seed, contender, (name, Interval(value, None, None), found.bills), *source)
    comparison = study.comparison if seed is None else study.comparisons[seed]
    for gap in ablation_gaps(comparison, study.ablation_base):
        name = f"{gap.metric.removesuffix('_per_query')}_gain_over_{study.ablation_base}"
        source = ("mechanism_outcomes", gap.arm.mechanism)
        yield _record(study, seed, gap.arm, (name, gap.difference, comparison.queries), *source)
    for one, name, difference in _differences(comparison):
        source = ("mechanism_outcomes", one.mechanism)
        yield _record(study, seed, one, (name, difference, comparison.queries), *source)
    for name, contender, measured in property_figures(properties):
        yield _record(study, seed, contender, measured, name, name, properties.seeds[name])


def _differences(comparison: Comparison) -> Iterator[tuple[Contender, str, Interval]]:
    """Paired differences that verdict and sections show beside those of the table and the ablations.

    The Oracle against LLM-Auction, both at their last iteration; arms with another objective against LLM-Auction at
    their own; format errors after training against before.
    """
    final = comparison.last("llm_auction")
    pairs = [(comparison.last("oracle"), final)]
    for arm in OBJECTIVES:
        last = comparison.last(arm)
        pairs.append((last, Contender("llm_auction", last.iteration) if last else None))
    for one, base in pairs:
        if one is None or base is None or base not in comparison:
            continue
        for name in ("revenue_per_query", "reward_per_query"):
            quantity = name.removesuffix("_per_query")
            yield one, f"{quantity}_gain_over_llm_auction", comparison.difference(one, base, name)
    if final is not None and PRETRAINED in comparison:
        change = comparison.difference(final, PRETRAINED, "format_error_rate")
        yield final, "format_error_rate_change_from_pretrained", change


def _fit_records(study: Study, run: SeedRun, fit: RewardModelFit) -> Iterator[dict[str, Any]]:
    figures = {f"pctr_{name}": value for name, value in fit.metrics.items()}
    figures |= {f"pctr_{name}_before_refit": value for name, value in fit.before.items()}
    for name, value in figures.items():
        measured = (name, Interval(value, None, None), fit.impressions)
        source = ("pctr_model", f"pctr_model[{fit.arm}|{fit.iteration}]")
        record = _record(study, run.seed, Contender(fit.arm, fit.iteration), measured, *source)
        yield {**record, "mechanism": None}


def _record(
    study: Study,
    seed: int | None,
    contender: Contender,
    measured: tuple[str, Interval, int],
    table: str,
    made_by: str,
    pooled: Sequence[int] | None = None,
) -> dict[str, Any]:
    """One record; `made_by` names the run that made its table, as `SeedRun.runs` does, `pooled` the seeds behind it.

    Those are all seeds of the study unless the table is missing in some.
    """
    name, figure, n = measured
    seeds = [seed] if seed is not None else list(study.seeds if pooled is None else pooled)
    runs = [run.runs.get(made_by) for run in study.runs if run.seed in seeds]
    return {
        "profile": study.profile,
        "seed": seed,
        "seeds": seeds,
        "mechanism": contender.mechanism,
        "arm": contender.mechanism if contender.iteration is not None else None,
        "iteration": contender.iteration,
        "variant": contender.variant,
        "metric": name,
        "value": _finite(figure.value),
        "ci_low": _finite(figure.low),
        "ci_high": _finite(figure.high),
        "n": n,
        "run": runs[0] if len(runs) == 1 else None,
        "table": table,
        "runs": runs,
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
