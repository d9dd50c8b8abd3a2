"""The nightly refit of the reward model on real click logs."""

import math
from datetime import date, timedelta

import numpy as np
from dagster import (
    AssetDep,
    AssetExecutionContext,
    DataVersion,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.calibration_check import calibration_check, calibration_verdict
from assets.click_log_feedback import DayFeedback, load_days
from assets.days import day_partitions, days_before, every_night
from assets.frames import load_ads
from assets.metadata import numbers_metadata, plot_metadata
from assets.refused_days import refused_days, require_accepted
from llm_auction.pctr.split import split_impressions
from llm_auction.profiles.schema import NightlyConfig, Profile
from resources.champion import Champion
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse

CODE_VERSION = "5"
FIRST_DAY_SQL = "select min(day) as day from fct_click_log_impressions"
# How many days a refit may read, for the graph alone: run config may set another window than the definitions know.
_WINDOW = days_before(NightlyConfig().window_days)


@asset(
    group_name="production",
    partitions_def=day_partitions,
    freshness_policy=every_night,
    deps=[
        AssetDep("fct_click_log_impressions", partition_mapping=_WINDOW),
        AssetDep("fct_click_log_responses", partition_mapping=_WINDOW),
        "ad_catalog",
    ],
    kinds={"python", "pytorch", "duckdb"},
    owners=["team:ads-science"],
    code_version=CODE_VERSION,
    pool="refit",
    check_specs=[calibration_check("nightly_pctr_model", "the newest day")],
)
def nightly_pctr_model(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    warehouse: Warehouse,
    model_store: ModelStore,
) -> MaterializeResult:
    """The reward model refitted on the days before the newest one, warm from the champion, and judged on the newest.

    Progressive validation: neither the refit (`refit/*`) nor the champion that it continues from (`champion/*`) has
    seen the newest day. What is judged there is what `reward_model_champion` may promote; the day itself is trained on
    by the next night. Days whose guards failed are left out until they are mended. On the first day of a log there is
    no day before it: the refit learns from that day, and is judged on users that it has not seen. On no other day is it
    fitted without a window.
    """
    from llm_auction.pctr.language_encoder import EncoderPlacement
    from llm_auction.pctr.metrics import quality, reliability_bins
    from llm_auction.pctr.model import PctrModel
    from llm_auction.pctr.plots import loss_chart, reliability_chart
    from llm_auction.pctr.refit import has_shape, refit_pctr

    config = profile.get()
    day = date.fromisoformat(context.partition_key)
    require_accepted(context.instance, day)
    ads, limit = load_ads(lake), config.nightly.max_impressions
    newest = load_days(warehouse, ads, day, day, limit, config.seed)
    if not newest.impressions:
        raise ValueError(
            f"no impressions of {day} in the warehouse: materialize fct_click_log_impressions[{day}] first; if it is "
            "there, no answer of the day inserted an ad, or all of them are excluded"
        )
    first = day - timedelta(days=config.nightly.window_days)
    earlier = [first + timedelta(days=number) for number in range(config.nightly.window_days)]
    refused = refused_days(context.instance, earlier)
    if refused:
        context.log.warning(f"left out, since their guards failed: {', '.join(map(str, refused))}")
    window = load_days(warehouse, ads, first, day - timedelta(days=1), limit, config.seed, without=refused)
    log_begins = warehouse.query(FIRST_DAY_SQL)["day"][0]
    missing = [other for other in earlier if other >= log_begins and str(other) not in window.versions]
    missing = [other for other in missing if other not in refused]
    if missing:
        context.log.warning(f"no impressions in the warehouse of {', '.join(map(str, missing))}")
    if not window.impressions and log_begins < day:
        raise Failure(
            f"none of the {config.nightly.window_days} days before {day} has impressions to learn from: "
            f"{len(refused)} refused by their guards, {len(missing)} missing. Mend them and run them again, or let the "
            "next night refit, which learns from this day",
            allow_retries=False,
        )
    trained = window if window.impressions else newest
    # An older day that is run again must not continue from its own future.
    champion = Champion(model_store, "pctr").before(day)
    old = None if champion is None else PctrModel.load(champion.path, EncoderPlacement.of(config.pctr))
    continued = old is not None and config.nightly.warm_start and has_shape(old, config.pctr)
    if old is not None and config.nightly.warm_start and not continued:
        context.log.warning("the champion has another shape than section pctr asks for: the refit starts afresh")
    compared_with = None if champion is None else champion.version
    parent = compared_with if continued else None
    result = refit_pctr(
        trained.impressions,
        trained.clicked,
        (trained.days.max() - trained.days).astype(int),
        config.nightly.half_life_days,
        config.pctr,
        config.seed,
        champion=old if continued else None,
        on_epoch=lambda record: context.log.info(
            f"member {record['member']:.0f} epoch {record['epoch']:.0f}: log loss {record['train_loss']:.4f}, "
            f"held out {record['validation_loss']:.4f}"
        ),
    )
    rows = unseen_rows(newest, str(trained.days.max()), config)
    impressions, clicked = [newest.impressions[row] for row in rows], newest.clicked[rows]
    measured, curves = {}, {}
    for name, model in (("champion", old), ("refit", result.model)):
        if model is not None:
            predicted = model.predict(impressions)
            measured[name] = quality(predicted, clicked)
            curves[name] = reliability_bins(predicted, clicked)
    figures = {
        f"{name}/{key}": value
        for name, found in measured.items()
        for key, value in found.items()
        if not math.isnan(value)
    }
    version = model_store.publish(
        "pctr",
        f"nightly/{day}",
        result.model.save,
        {
            "day": str(day),
            "window": [str(trained.days.min()), str(trained.days.max())],
            "parent": parent,
            "compared_with": compared_with,
            "data_versions": {**trained.versions, **newest.versions, "ad_catalog": lake.data_version("ad_catalog")},
            "metrics": figures,
            "code_version": CODE_VERSION,
            "settings": config.model_dump(mode="json", include={"seed", "pctr", "nightly"}),
        },
    )
    return MaterializeResult(
        data_version=DataVersion(version.version),
        metadata={
            "model_version": version.version,
            "path": MetadataValue.path(str(version.path)),
            "parent": parent or "none",
            "compared_with": compared_with or "none",
            **({"reliability": plot_metadata(reliability_chart(curves))} if impressions else {}),
            "loss": plot_metadata(loss_chart(result.history)),
            "trained_from": str(trained.days.min()),
            "trained_to": str(trained.days.max()),
            "days_left_out": ", ".join(map(str, refused)) or "none",
            "days_missing": ", ".join(map(str, missing)) or "none",
            "impressions": len(trained.impressions),
            "impressions_available": trained.available,
            "new_users_share": _share_of_new(newest.users(), trained.users()),
            "new_ads_share": _share_of_new(
                [impression.ad.ad_id for impression in newest.impressions],
                [impression.ad.ad_id for impression in trained.impressions],
            ),
            **numbers_metadata(figures),
        },
        check_results=[calibration_verdict(measured["refit"])],
    )


def unseen_rows(newest: DayFeedback, trained_to: str, config: Profile) -> np.ndarray:
    """The rows of the newest day that a model trained up to `trained_to` has not seen: all, or on the first day of a
    log those of its held-out users."""
    if trained_to < str(newest.days.max()):
        return np.arange(len(newest.impressions))
    return split_impressions(newest.impressions, config.pctr.validation_share, config.seed)[0].test


def _share_of_new(now: list[str], before: list[str]) -> float:
    known = set(before)
    return sum(name not in known for name in now) / len(now)
