"""What all property checks share: how they stand in the asset graph, and how they keep what they measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
from dagster import AllPartitionMapping, AssetDep, AssetsDefinition, DataVersion, MaterializeResult, asset

from assets.measured_settings import measured_settings
from assets.metadata import table_metadata
from llm_auction.profiles.schema import Profile
from resources.lake import Lake

# The models that a check opens: the base, and every iteration of the arm that it looks at.
MODELS = (
    "ad_candidates",
    "pretrained_ad_llm",
    AssetDep("ad_llm", partition_mapping=AllPartitionMapping()),
    AssetDep("pctr_model", partition_mapping=AllPartitionMapping()),
)


def property_check(
    *,
    deps: Sequence[str | AssetDep] = MODELS,
    kinds: frozenset[str] = frozenset({"python", "pytorch", "parquet"}),
    code_version: str = "1",
    pool: str | None = "gpu",
) -> Callable[[Callable[..., MaterializeResult]], AssetsDefinition]:
    """The asset of one property: its name is that of its table; by default it draws answers from models."""
    return asset(
        group_name="evaluation",
        deps=deps,
        kinds=set(kinds),
        owners=["team:ads-science"],
        code_version=code_version,
        pool=pool,
    )


def measured(
    lake: Lake,
    table: str,
    frame: pl.DataFrame,
    descriptions: Mapping[str, str],
    shown: Mapping[str, Any],
    profile: Profile,
    models: Mapping[str, str],
    *own_sections: str,
) -> MaterializeResult:
    """Save what a check measured under a profile, with these models (`assets.measured_models`).

    `shown` is its own metadata, beside row count and columns; `own_sections` as in `measured_settings`.
    """
    lake.write(table, frame, settings=measured_settings(profile, *own_sections), models=models)
    return MaterializeResult(
        data_version=DataVersion(lake.data_version(table)),
        metadata={**table_metadata(frame, descriptions), **shown},
    )
