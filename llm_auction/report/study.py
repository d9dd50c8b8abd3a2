"""What a report is made from: the outcomes of one or several seeds' runs, and what is needed to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.charges import Charges, charges_of
from llm_auction.evaluation.efficiency import Comparison, efficiency_table
from llm_auction.evaluation.outcomes import Contender, pool_seeds
from llm_auction.evaluation.pooling import pooled_by_name
from llm_auction.market import Ad, Query, UserProfile
from llm_auction.report.properties import Properties
from llm_auction.report.shared_questions import SharedQuestions


@dataclass(frozen=True, slots=True)
class RewardModelFit:
    """The held-out quality of the pCTR model of one arm and iteration.

    `metrics` by name (auc, bayes_auc, log_loss, ece, ...); `before` the same for the model before the refit, on the
    same impressions; `impressions` counts those.
    """

    arm: str
    iteration: str
    metrics: Mapping[str, float]
    before: Mapping[str, float] = field(default_factory=dict)
    impressions: int = 0


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One run of a profile under one seed.

    `outcomes`: rows as in `OUTCOME_SCHEMA`. The catalog, queries and profiles (by id) give example answers context.
    `runs`: the id of the run that made each mechanism's outcomes. `settings`: those that all its tables were measured
    under, by field of the profile; empty where they are not known. `left_out`: tables that were measured with models of
    another run, and why, for the page to name. The property checks where they were measured:
    `bid_curves` as in `CURVE_SCHEMA`, `continuity` with a column `scope` besides, `incentives` as in
    `INCENTIVE_SCHEMA`, `quality` as in `QUALITY_SCHEMA`, `reserve` as in `RESERVE_SCHEMA`, `reward_model` as in
    `ABLATION_SCHEMA`, `objectives` as in `OBJECTIVE_SCHEMA`.
    """

    outcomes: pl.DataFrame
    ads: Mapping[str, Ad]
    queries: Mapping[str, Query]
    profiles: Mapping[str, UserProfile]
    fits: Sequence[RewardModelFit] = ()
    runs: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    bid_curves: pl.DataFrame | None = None
    continuity: pl.DataFrame | None = None
    incentives: pl.DataFrame | None = None
    quality: pl.DataFrame | None = None
    reserve: pl.DataFrame | None = None
    reward_model: pl.DataFrame | None = None
    objectives: pl.DataFrame | None = None

    @property
    def seed(self) -> int:
        return int(self.outcomes["seed"][0])

    @property
    def checks(self) -> dict[str, pl.DataFrame]:
        """The property checks that were measured, by the name of their table in the lake."""
        tables = {
            "bid_monotonicity": self.bid_curves,
            "bid_continuity": self.continuity,
            "incentive_report": self.incentives,
            "answer_quality": self.quality,
            "objective_terms": self.objectives,
            "reserve_prices": self.reserve,
            "reward_model_ablation": self.reward_model,
        }
        return {name: table for name, table in tables.items() if table is not None}


@dataclass(frozen=True, slots=True)
class Study:
    """Runs of one profile, pooled: `comparison`, `table`, `pooled` and `worst_charges` over all seeds, others by seed.

    `charges` are the bills of contenders whose users' click probabilities are known. `questions` says which seeds asked
    the same. `ablation_base` is the arm that ablations are compared with.
    """

    profile: str
    resamples: int
    runs: Sequence[SeedRun]
    comparison: Comparison
    table: pl.DataFrame
    pooled: Properties
    comparisons: Mapping[int, Comparison]
    seed_tables: Mapping[int, pl.DataFrame]
    properties: Mapping[int, Properties]
    charges: Mapping[int, Mapping[Contender, Charges]]
    worst_charges: Mapping[Contender, Charges]
    left_out: Sequence[Contender]
    questions: SharedQuestions
    ablation_base: str

    @classmethod
    def of(cls, runs: Sequence[SeedRun], resamples: int, ablation_base: str = "llm_auction") -> Study:
        """Compare the runs, pooled and one by one.

        Raises:
            ValueError: no runs, runs that can't be pooled, or outcomes that weren't measured on the same test queries.
        """
        if not runs:
            raise ValueError("a report needs the outcomes of at least one run: materialize mechanism_outcomes first")
        ordered = sorted(runs, key=lambda run: run.seed)
        pooled, left_out = pool_seeds(run.outcomes for run in ordered)
        questions = SharedQuestions.of(ordered)
        # The resampling takes the first run's seed, so that a report of one run depends on nothing else.
        comparison = Comparison(pooled, resamples, ordered[0].seed, questions.drawn_as)
        comparisons = {run.seed: Comparison(run.outcomes, resamples, run.seed) for run in ordered}
        properties = {run.seed: Properties.of(run, resamples) for run in ordered}
        charges = {run.seed: charges_of(run.outcomes) for run in ordered}
        return cls(
            profile=str(pooled["profile"][0]),
            resamples=resamples,
            runs=tuple(ordered),
            comparison=comparison,
            table=efficiency_table(comparison),
            pooled=Properties.pooled(list(properties.values()), independent=not questions.matter),
            comparisons=comparisons,
            seed_tables={seed: efficiency_table(one) for seed, one in comparisons.items()},
            properties=properties,
            charges=charges,
            worst_charges=pooled_by_name(list(charges.values()), Charges.worst),
            left_out=tuple(left_out),
            questions=questions,
            ablation_base=ablation_base,
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)

    def figures(self) -> dict[tuple[Contender, str], Interval]:
        """Every figure of the pooled table by contender and metric."""
        columns = ("mechanism", "iteration", "variant", "metric", "value", "ci_low", "ci_high")
        return {
            (Contender(mechanism, iteration, variant), metric): Interval(value, low, high)
            for mechanism, iteration, variant, metric, value, low, high in self.table.select(columns).iter_rows()
        }
