"""Gathering a study: what the evaluation left in a data directory, as the report takes it."""

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance

from assets.frames import load_ads, load_profiles, load_queries
from assets.lineage import lineage
from assets.measured_settings import Settings, common_settings
from assets.mechanism_runs import MECHANISMS
from assets.partitions import ARMS
from assets.properties import PROPERTIES
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA
from llm_auction.profiles.arms import ABLATION_BASE
from llm_auction.profiles.schema import Profile
from llm_auction.report.study import RewardModelFit, SeedRun
from resources.lake import Lake
from resources.model_store import ModelStore

if TYPE_CHECKING:
    from llm_auction.report.build import ReportFiles

TABLE = "mechanism_outcomes"
_PACKAGES = ("llm-auction", "dagster", "torch", "transformers", "trl", "polars")


def load_seed_run(
    lake: Lake,
    model_store: ModelStore,
    runs: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda left_out: None,
) -> SeedRun:
    """The evaluated run in one data directory.

    Args:
        lake: its tables.
        model_store: its models.
        runs: the Dagster run behind each outcome or model.
        log: is told of reward models of an earlier run, which are left out.

    Raises:
        MissingPartition: no mechanism has been evaluated there.
        ValueError: its tables were measured under different settings, or by another version.
    """
    evaluated = [name for name in MECHANISMS if lake.exists(TABLE, {"mechanism": name})]
    # Reading the first mechanism when there is none raises the lake's own error, which says what to materialize.
    tables = [lake.read(TABLE, {"mechanism": name}) for name in evaluated or MECHANISMS[:1]]
    return SeedRun(
        outcomes=_joined(evaluated, tables),
        ads=load_ads(lake),
        queries=load_queries(lake, "test"),
        profiles=load_profiles(lake),
        fits=load_fits(model_store, log),
        runs=dict(runs or {}),
        settings=_settings(lake, evaluated),
        bid_curves=_property_table(lake, "bid_monotonicity"),
        continuity=_property_table(lake, "bid_continuity"),
        incentives=_property_table(lake, "incentive_report"),
        quality=_property_table(lake, "answer_quality"),
        reserve=_property_table(lake, "reserve_prices"),
        reward_model=_property_table(lake, "reward_model_ablation"),
        objectives=_property_table(lake, "objective_terms"),
    )


def _joined(names: Sequence[str], tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The outcomes of several mechanisms as one table.

    Raises:
        ValueError: a table has the columns of another version of this project.
    """
    old = ", ".join(name for name, table in zip(names, tables, strict=True) if table.schema != OUTCOME_SCHEMA)
    if old:
        raise ValueError(
            f"mechanism_outcomes of {old} has other columns than this version writes: materialize it again"
        )
    return pl.concat(tables)


def _settings(lake: Lake, mechanisms: Sequence[str]) -> Settings:
    """The settings that all tables of a data directory share, `common_settings` of them."""
    measured = {f"-m {name}": lake.settings(TABLE, {"mechanism": name}) for name in mechanisms}
    checks = {name: table for name, table in PROPERTIES.items() if lake.exists(table)}
    measured |= {f"--property {name}": lake.settings(table) for name, table in checks.items()}
    return common_settings(measured, "llm-auction evaluate")


def write_report(runs: Sequence[SeedRun], folder: Path, profile: Profile, failed: Sequence[str] = ()) -> "ReportFiles":
    """Compare the runs and write report, figures and plots into `folder`; `failed` as in `build_report`.

    Raises:
        ValueError: the runs were measured under different settings, or can't be pooled.
    """
    from llm_auction.report.build import build_report

    # Seeds are what the runs of a study differ in.
    of_seeds = {f"--seed {run.seed}": _without_seed(run.settings) for run in runs}
    common_settings(of_seeds, "llm-auction run")
    base = "llm_auction" if profile.ablations.train_queries is None else ABLATION_BASE
    resamples, now = profile.evaluation.bootstrap_resamples, datetime.now(UTC)
    return build_report(runs, folder, resamples, now, study_facts(profile), base, failed)


def _without_seed(settings: Settings) -> Settings:
    return {field: value for field, value in settings.items() if field != "seed"}


def runs_behind(instance: DagsterInstance, model_store: ModelStore) -> dict[str, str]:
    """The Dagster runs that last made the outcomes (by mechanism) and the pCTR models (`pctr_model[<arm>|<t>]`)."""
    names: dict[str, tuple[str, str | None]] = {name: (TABLE, name) for name in MECHANISMS}
    names |= {asset_name: (asset_name, None) for asset_name in PROPERTIES.values()}
    for arm in ARMS:
        iterations = lineage(model_store, "pctr", arm).versions
        names |= {f"pctr_model[{arm}|{one}]": ("pctr_model", f"{arm}|{one}") for one in iterations}
    found = {}
    for name, (key, partition) in names.items():
        records = instance.fetch_materializations(
            AssetRecordsFilter(AssetKey(key), asset_partitions=[partition] if partition else None), limit=1
        ).records
        if records:
            found[name] = records[0].run_id
    return found


def load_fits(model_store: ModelStore, log: Callable[[str], None]) -> list[RewardModelFit]:
    """The quality of every arm's pCTR models, on the newest feedback of held-out users, before and after.

    Those of an earlier run, which the store may still hold, are left out and told to `log`.
    """
    found = []
    for arm in ARMS:
        fitted = lineage(model_store, "pctr", arm)
        for iteration, why in fitted.left_out.items():
            log(f"pctr_model[{arm}|{iteration}] is left out: {why}")
        for iteration in fitted.versions:
            metrics = model_store.resolve("pctr", f"{arm}/{iteration}").metadata["metrics"]
            after, before = _part(metrics, "after/"), _part(metrics, "before/")
            found.append(RewardModelFit(arm, iteration, after, before, int(after.get("n", 0))))
    return found


def study_facts(profile: Profile) -> dict[str, str]:
    """What a report says of how it was measured, beside the figures themselves."""
    evaluation, sampling = profile.evaluation, profile.sampling
    return {
        "Ad-LLM": profile.ad_llm.base,
        "Sampling": f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, top-k {sampling.top_k}",
        "Bids": f"uniform integers {profile.bidding.low} to {profile.bidding.high} per click",
        "MOSAIC": f"{evaluation.mosaic_candidates} candidate answers a query from the pretrained model",
        "Penalty": f"{profile.reward.ad_weight:g} an ad, {profile.reward.error_weight:g} a format error",
        "Resamples": f"{evaluation.bootstrap_resamples:,}",
        "Versions": ", ".join([f"Python {platform.python_version()}", *_versions()]),
    }


def _property_table(lake: Lake, table: str) -> pl.DataFrame | None:
    """A property check's table, where it has been materialized."""
    return lake.read(table) if lake.exists(table) else None


def _part(metrics: Mapping[str, object], prefix: str) -> dict[str, float]:
    """The figures under a prefix; what is not a number (an AUC without clicks) is left out."""
    return {
        name.removeprefix(prefix): float(value)
        for name, value in metrics.items()
        if name.startswith(prefix) and isinstance(value, (int, float)) and math.isfinite(value)
    }


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found
