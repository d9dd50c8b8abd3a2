"""The production path for tests under the daemon: the real ingestion, schedule and sensors, scripted models.

The scripted assets write down that they ran, in `ran.txt` of the data directory; `fail-<day>` there makes the modelling
of that day fail.
"""

import os
from pathlib import Path

from dagster import AssetDep, AssetExecutionContext, Definitions, SourceAsset, asset, in_process_executor

from assets.click_log import click_log
from assets.days import day_partitions, days_before
from llm_auction.profiles.schema import NightlyConfig
from resources.lake import Lake
from resources.profile import ProfileResource
from workflows.jobs import production_day
from workflows.schedules import nightly_reward_refit
from workflows.sensors import click_log_deliveries, run_failure_alert


def _write_down(context: AssetExecutionContext, lake: Lake) -> None:
    folder = Path(lake.data_dir)
    name = context.asset_key.to_user_string()
    with (folder / "ran.txt").open("a") as file:
        file.write(f"{name} {context.partition_key}\n")
    if name == "fct_click_log_impressions" and (folder / f"fail-{context.partition_key}").exists():
        raise ValueError("the scripted modelling was told to fail")


@asset(group_name="production", partitions_def=day_partitions, deps=["click_log"])
def fct_click_log_impressions(context: AssetExecutionContext, lake: Lake) -> None:
    _write_down(context, lake)


@asset(
    group_name="production",
    partitions_def=day_partitions,
    deps=[AssetDep("fct_click_log_impressions", partition_mapping=days_before(NightlyConfig().window_days))],
)
def nightly_pctr_model(context: AssetExecutionContext, lake: Lake) -> None:
    _write_down(context, lake)


@asset(
    group_name="production",
    partitions_def=day_partitions,
    deps=[
        "nightly_pctr_model",
        AssetDep("reward_model_champion", partition_mapping=days_before(1, 1)),
    ],
)
def reward_model_champion(context: AssetExecutionContext, lake: Lake) -> None:
    _write_down(context, lake)


defs = Definitions(
    assets=[
        SourceAsset("ad_catalog"),
        click_log,
        fct_click_log_impressions,
        nightly_pctr_model,
        reward_model_champion,
    ],
    jobs=[production_day],
    schedules=[nightly_reward_refit],
    sensors=[click_log_deliveries, run_failure_alert],
    resources={"profile": ProfileResource(), "lake": Lake(data_dir=os.environ["DATA_DIR"])},
    executor=in_process_executor,
)
