"""Jobs: the stages of a study, as the UI launches them and as `llm-auction run` runs them."""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job

from assets.properties import PROPERTIES
from workflows.stages import property_job

market_and_base = define_asset_job(
    "market_and_base",
    AssetSelection.groups("market", "base"),
    description="The catalog, the users, their queries and candidates, and the base model.",
)

irpo_iteration = define_asset_job(
    "irpo_iteration",
    AssetSelection.groups("irpo"),
    description="One iteration of one arm, from the deployed Ad-LLM to the tuned one, with every check.",
)

evaluation = define_asset_job(
    "evaluation",
    AssetSelection.assets("mechanism_outcomes"),
    description="The test queries under one mechanism.",
)

study = define_asset_job(
    "study",
    AssetSelection.assets("study_report"),
    description="The report over everything that has been evaluated.",
)

property_checks = define_asset_job(
    "property_checks",
    AssetSelection.assets(*PROPERTIES.values()),
    description="What theory promises of the mechanism, measured. Longer than the evaluations.",
)

# One job each as well: the command line runs single checks.
single_property_checks = [
    define_asset_job(
        property_job(name), AssetSelection.assets(asset), description=f"The property check {name} alone ({asset})."
    )
    for name, asset in PROPERTIES.items()
]

production_day = define_asset_job(
    "production_day",
    AssetSelection.groups("production") - AssetSelection.assets("reward_model_champion").downstream(include_self=False),
    description="One day of real click logs: ingest, model, guard, refit the reward model, judge it.",
)
