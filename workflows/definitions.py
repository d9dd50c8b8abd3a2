"""What Dagster loads: this file only gathers. `workspace.yaml` points here."""

from __future__ import annotations

from typing import Any

from dagster import Definitions, in_process_executor, load_asset_checks_from_modules, load_assets_from_modules

from assets import (
    ad_llm,
    ad_llm_checks,
    answer_quality,
    base,
    bid_continuity,
    bid_curves,
    click_log,
    click_log_checks,
    click_log_models,
    evaluation,
    feedback_checks,
    feedback_models,
    incentives,
    irpo,
    market,
    market_checks,
    nightly_pctr_model,
    objective_terms,
    off_policy_report,
    pctr_model,
    preference_pairs,
    reserve_prices,
    reward_model_ablation,
    reward_model_champion,
)
from resources.dbt import dbt_resource
from resources.engines import EngineResource
from resources.lake import Lake
from resources.launcher import TrainingLauncher
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from resources.warehouse import Warehouse
from workflows import jobs, schedules, sensors
from workflows.environment import point_tools_at_data_dir
from workflows.pool_waits import sleep_between_claims
from workflows.progress import progress_logger

MODULES = [
    market,
    market_checks,
    base,
    irpo,
    feedback_models,
    feedback_checks,
    pctr_model,
    preference_pairs,
    ad_llm,
    ad_llm_checks,
    evaluation,
    bid_curves,
    bid_continuity,
    incentives,
    answer_quality,
    reserve_prices,
    objective_terms,
    reward_model_ablation,
    click_log,
    click_log_models,
    click_log_checks,
    nightly_pctr_model,
    reward_model_champion,
    off_policy_report,
]


def gather(**replacements: Any) -> Definitions:
    """All definitions; `replacements` take the place of resources by name, such as an engine of one's own."""
    sleep_between_claims()
    data_dir = str(point_tools_at_data_dir())
    # Configured at launch, so that what the launchpad overrides reaches the resources that read the profile too.
    profile = replacements.get("profile", ProfileResource.configure_at_launch())
    resources = {
        "profile": profile,
        "lake": Lake(data_dir=data_dir),
        "model_store": ModelStore(data_dir=data_dir),
        "warehouse": Warehouse(data_dir=data_dir),
        "engine": EngineResource(profile=profile, data_dir=data_dir),
        "user_model": UserModelResource(profile=profile, data_dir=data_dir),
        "launcher": TrainingLauncher(profile=profile),
        "dbt": dbt_resource(),
    }
    return Definitions(
        assets=load_assets_from_modules(MODULES),
        asset_checks=load_asset_checks_from_modules(MODULES),
        jobs=[
            jobs.market_and_base,
            jobs.irpo_iteration,
            jobs.evaluation,
            jobs.study,
            jobs.property_checks,
            *jobs.single_property_checks,
            jobs.production_day,
        ],
        schedules=[schedules.nightly_reward_refit],
        sensors=[sensors.click_log_deliveries, sensors.run_failure_alert],
        resources=resources | replacements,
        # A process for every step would cost seconds each; runs are processes of their own anyway.
        executor=in_process_executor,
        loggers={"progress": progress_logger},
    )


defs = gather()
