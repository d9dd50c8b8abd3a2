"""Phase 2's end: the Ad-LLM tuned on the iteration's preference pairs (arXiv 2512.10551, Eq. 6)."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.arm_auctions import saved_auctions
from assets.metadata import numbers_metadata, plot_metadata
from assets.partitions import deployed_pointer, irpo_key, irpo_partitions, next_iteration, partition_of
from assets.provenance import iteration_settings, market_versions
from assets.training_folder import training_folder
from llm_auction.profiles.schema import Profile
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed
from resources.lake import Lake
from resources.launcher import TrainingLauncher
from resources.model_store import ModelStore, ModelVersion
from resources.profile import ProfileResource

if TYPE_CHECKING:
    from llm_auction.irpo.preference_pairs import PreferenceSet

CODE_VERSION = "3"
# Where Dagster looks for the data version of an event that a step logs on behalf of another asset.
DATA_VERSION_TAG = "dagster/data_version"


@asset(
    group_name="irpo",
    partitions_def=irpo_partitions,
    deps=["preference_pairs", "deployed_ad_llm"],
    kinds={"pytorch", "huggingface", "safetensors"},
    owners=["team:ml-platform"],
    code_version=CODE_VERSION,
    pool="gpu",
)
def ad_llm(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    model_store: ModelStore,
    launcher: TrainingLauncher,
) -> MaterializeResult:
    """The deployed Ad-LLM, tuned by preference optimisation, as a new version in the model store.

    Also announces itself as the next iteration's `deployed_ad_llm`: after a re-run, what was built on the earlier
    version shows as stale. A training that was cut short goes on from its last checkpoint.
    """
    partition = partition_of(context.partition_key)
    arm, iteration = partition["arm"], partition["iteration"]
    config = profile.get().of_arm(arm)
    start = model_store.resolve("ad_llm", deployed_pointer(arm, iteration))
    sets = preference_sets(lake, partition, config)
    data_version = lake.data_version("preference_pairs", partition)
    # The checkpoints belong to this start and these pairs only; another attempt with other ones starts afresh.
    training_dir = Path(lake.data_dir) / "training" / arm / iteration
    checkpoint_dir = training_dir / f"{start.version}-{data_version}"
    logged: list[Mapping[str, Any]] = []

    with training_folder(training_dir):
        output_dir = training_dir / "output"
        shutil.rmtree(output_dir, ignore_errors=True)
        metrics = launcher.train(
            context,
            start_dir=start.path,
            reference_dir=None if config.dpo.reference == "start" else model_store.resolve("ad_llm", "base").path,
            sets=sets,
            config=config.dpo,
            delta_th=config.preferences.delta_th,
            output_dir=output_dir,
            seed=derive_seed(config.seed, "dpo", config.luck_of(arm), iteration),
            checkpoint_dir=checkpoint_dir,
            on_log=logged.append,
        )
        model = model_store.publish(
            "ad_llm",
            f"{arm}/{iteration}",
            lambda folder: _copy(output_dir, folder),
            {
                "parent": start.version,
                "arm": arm,
                "iteration": iteration,
                "data_versions": {**market_versions(lake), "preference_pairs": data_version},
                "metrics": metrics,
                "code_version": CODE_VERSION,
                "settings": iteration_settings(config),
            },
        )
        shutil.rmtree(training_dir, ignore_errors=True)
    _announce(context, model, arm, iteration)
    return MaterializeResult(
        data_version=DataVersion(model.version),
        metadata={
            "model_version": model.version,
            "path": MetadataValue.path(str(model.path)),
            "parent": start.version,
            **({"loss_curve": _loss_curve(logged)} if any("loss" in step for step in logged) else {}),
            **numbers_metadata(metrics),
        },
    )


def preference_sets(lake: Lake, partition: Mapping[str, str], profile: Profile) -> "list[PreferenceSet]":
    """The preference sets of a partition, with their prompts rendered as they were when the answers were drawn."""
    from llm_auction.irpo.preference_pairs import PreferenceSet

    rows = list(lake.read("preference_pairs", partition).iter_rows(named=True))
    auctions = saved_auctions(lake, profile, partition, rows)
    return [
        PreferenceSet(
            query_id=row["query_id"],
            messages=render_messages(auction, profile.ad_llm.prompt, show_bids=profile.ad_llm.show_bids),
            answers=tuple(row["answers"]),
            token_ids=tuple(tuple(ids) for ids in row["token_ids"]),
            rewards=tuple(row["rewards"]),
        )
        for row, auction in zip(rows, auctions, strict=True)
    ]


def _copy(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)


def _announce(context: AssetExecutionContext, model: ModelVersion, arm: str, iteration: str) -> None:
    following = next_iteration(iteration)
    if following is None:
        return
    context.log_event(
        AssetMaterialization(
            "deployed_ad_llm",
            description=f"Announced by ad_llm of iteration {iteration}.",
            partition=irpo_key(arm, following),
            metadata={"model_version": model.version, "pointer": f"ad_llm/{arm}/{iteration}"},
            tags={DATA_VERSION_TAG: model.version},
        )
    )


def _loss_curve(logged: Sequence[Mapping[str, Any]]) -> MetadataValue:
    import altair as alt

    frame = pl.DataFrame(
        [{"step": step.get("step", index), "loss": step["loss"]} for index, step in enumerate(logged) if "loss" in step]
    )
    chart = alt.Chart(frame, width=420, height=200).mark_line(point=True).encode(x="step:Q", y="loss:Q")
    return plot_metadata(chart)
