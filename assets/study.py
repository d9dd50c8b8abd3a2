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
from assets.measured_models import Models, evaluated_run, why_left_out
from assets.measured_settings import Settings, common_settings
from assets.mechanism_runs import MECHANISMS, TABLE
from assets.partitions import ARMS
from assets.properties import PROPERTIES
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA
from llm_auction.profiles.arms import ABLATION_BASE
from llm_auction.profiles.schema import Profile
from llm_auction.report.study import RewardModelFit, SeedRun
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.storage import storage_errors

if TYPE_CHECKING:
    from llm_auction.report.build import ReportFiles

_PACKAGES = ("llm-auction", "dagster", "torch", "transformers", "trl", "polars")


def load_seed_run(lake: Lake, model_store: ModelStore, log: Callable[[str], None] = lambda left_out: None) -> SeedRun:
    """The evaluated run in one data directory, without the ids of the Dagster runs behind it (`runs_behind`).

    Args:
        lake: its tables. Those that were measured with models of another run are left out.
        model_store: its models. Reward models of another run are left out.
        log: is told what is left out and why.

    Raises:
        MissingPartition: no mechanism has been evaluated there.
        ValueError: its tables were measured under different settings, or by another version.
    """
    evaluated = evaluated_run(lake, model_store)
    # Reading the first mechanism when there is none raises the lake's own error, which says what to materialize.
    tables = [lake.read(TABLE, {"mechanism": name}) for name in evaluated.mechanisms or MECHANISMS[:1]]
    left_out = {f"{TABLE}[{name}]": why for name, why in evaluated.left_out.items()}
    checks = {}
    for name, table in PROPERTIES.items():
        if not lake.exists(table):
            continue
        why = why_left_out(lake.models(table) or {}, evaluated.models, model_store, f"--property {name}")
        if why is None:
            checks[name] = table
        else:
            left_out[table] = why
    for name, why in left_out.items():
        log(f"{name} is left out: {why}")
    measured = {name: lake.read(table) for name, table in checks.items()}
    return SeedRun(
        outcomes=_joined(evaluated.mechanisms, tables),
        ads=load_ads(lake),
        queries=load_queries(lake, "test"),
        profiles=load_profiles(lake),
        fits=load_fits(model_store, evaluated.models, log),
        settings=_settings(lake, evaluated.mechanisms, checks),
        left_out=left_out,
        bid_curves=measured.get("monotonicity"),
        continuity=measured.get("continuity"),
        incentives=measured.get("incentives"),
        quality=measured.get("quality"),
        reserve=measured.get("reserve"),
        reward_model=measured.get("reward_model"),
        objectives=measured.get("objectives"),
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


def _settings(lake: Lake, mechanisms: Sequence[str], checks: Mapping[str, str]) -> Settings:
    """The settings that all these tables share, `common_settings` of them; `checks`: name -> table."""
    measured = {f"-m {name}": lake.settings(TABLE, {"mechanism": name}) for name in mechanisms}
    measured |= {f"--property {name}": lake.settings(table) for name, table in checks.items()}
    return common_settings(measured, "llm-auction evaluate")


def write_report(runs: Sequence[SeedRun], folder: Path, profile: Profile, failed: Sequence[str] = ()) -> "ReportFiles":
    """Compare the runs and write report, figures and plots into `folder`; `failed` as in `build_report`.

    Raises:
        ValueError: the runs were measured under different settings, or can't be pooled.
        StorageError: the folder can't be written; an earlier report there is left whole.
    """
    from llm_auction.report.build import build_report

    # Seeds are what the runs of a study differ in.
    of_seeds = {f"--seed {run.seed}": _without_seed(run.settings) for run in runs}
    common_settings(of_seeds, "llm-auction run")
    base = "llm_auction" if profile.ablations.train_queries is None else ABLATION_BASE
    resamples, now = profile.evaluation.bootstrap_resamples, datetime.now(UTC)
    with storage_errors(folder):
        return build_report(runs, folder, resamples, now, study_facts(profile), base, failed)


def _without_seed(settings: Settings) -> Settings:
    return {field: value for field, value in settings.items() if field != "seed"}


def runs_behind(instance: DagsterInstance, run: SeedRun) -> dict[str, str]:
    """The Dagster runs that last made the run's outcomes (by mechanism), checks and reward models.

    Keys as the report asks for them: `mosaic`, `bid_monotonicity`, `pctr_model[<arm>|<t>]`.
    """
    evaluated = set(run.outcomes["mechanism"])
    names: dict[str, tuple[str, str | None]] = {name: (TABLE, name) for name in MECHANISMS if name in evaluated}
    names |= {table: (table, None) for table in run.checks}
    names |= {
        f"pctr_model[{fit.arm}|{fit.iteration}]": ("pctr_model", f"{fit.arm}|{fit.iteration}") for fit in run.fits
    }
    found = {}
    for name, (key, partition) in names.items():
        records = instance.fetch_materializations(
            AssetRecordsFilter(AssetKey(key), asset_partitions=[partition] if partition else None), limit=1
        ).records
        if records:
            found[name] = records[0].run_id
    return found


def load_fits(model_store: ModelStore, evaluated: Models, log: Callable[[str], None]) -> list[RewardModelFit]:
    """The quality of every arm's pCTR models, on the newest feedback of held-out users, before and after.

    Args:
        model_store: may hold models of several runs.
        evaluated: the models of the evaluated run (`EvaluatedRun.models`). Those of an arm that it does not know are
            taken as they belong together in the store.
        log: is told what is left out and why.
    """
    found, known = [], {pointer.split("/")[1] for pointer in evaluated}
    for arm in ARMS:
        fitted = lineage(model_store, "pctr", arm)
        left_out = dict(fitted.left_out)
        for iteration, made in fitted.versions.items():
            if arm in known and evaluated.get(f"pctr/{arm}/{iteration}") != made:
                left_out[iteration] = f"the outcomes of {arm} were measured before it was fitted"
                continue
            metrics = model_store.resolve("pctr", f"{arm}/{iteration}").metadata["metrics"]
            after, before = _part(metrics, "after/"), _part(metrics, "before/")
            found.append(RewardModelFit(arm, iteration, after, before, int(after.get("n", 0))))
        for iteration, why in left_out.items():
            log(f"pctr_model[{arm}|{iteration}] is left out: {why}")
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
