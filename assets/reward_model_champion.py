"""Which reward model serves: the night's refit, where it has proved not to be worse than the champion."""

import math
from datetime import date

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetDep,
    AssetExecutionContext,
    DataVersion,
    MaterializeResult,
    asset,
)

from assets.click_log_feedback import load_days
from assets.days import day_partitions, days_before, every_night
from assets.frames import load_ads
from assets.metadata import numbers_metadata
from assets.nightly_pctr_model import unseen_rows
from assets.refused_days import require_accepted
from llm_auction.pctr.promotion import Verdict, judge
from llm_auction.profiles.schema import Profile
from llm_auction.seeds import derive_seed
from resources.champion import Champion, may_have_learnt_from
from resources.lake import Lake
from resources.model_store import ModelStore, ModelVersion
from resources.profile import ProfileResource
from resources.warehouse import Warehouse


@asset(
    group_name="production",
    partitions_def=day_partitions,
    freshness_policy=every_night,
    # Judged one day after the other, in a backfill too: each day meets the champion that the day before it left.
    deps=[
        "nightly_pctr_model",
        AssetDep("reward_model_champion", partition_mapping=days_before(1, 1)),
    ],
    kinds={"python", "pytorch"},
    owners=["team:ml-platform"],
    code_version="2",
    check_specs=[
        AssetCheckSpec(
            "refit_serves",
            asset="reward_model_champion",
            description="The night's refit is the champion; a warning says why it is not.",
        )
    ],
)
def reward_model_champion(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    warehouse: Warehouse,
    model_store: ModelStore,
) -> MaterializeResult:
    """The promoted reward model after this day: the refit, or the champion that stays, with the reason.

    The refit is promoted when a paired bootstrap over the newest day's users rules out that its log loss, AUC or ECE
    are worse than the champion's by more than the tolerances of section `nightly`. A day before the champion's changes
    nothing, nor does a version that was rolled back by hand. The first refit of a store serves without a proof.
    """
    config = profile.get()
    day = date.fromisoformat(context.partition_key)
    require_accepted(context.instance, day)
    refit = model_store.resolve("pctr", f"nightly/{day}")
    pointer = Champion(model_store, "pctr")
    champion = pointer.current()
    verdict, figures = _verdict(refit, champion, pointer, day, config, lake, warehouse)
    if verdict.promote:
        pointer.promote(refit, verdict.reason, instead_of=None if champion is None else champion.version)
    serving = pointer.current()
    assert serving is not None, "the first refit is always promoted"
    serves = serving.version == refit.version
    decision = "promoted" if verdict.promote else "kept"
    context.log.info(f"{decision}: {verdict.reason}")
    return MaterializeResult(
        data_version=DataVersion(serving.version),
        metadata={
            "decision": decision,
            "reason": verdict.reason,
            "champion": serving.version,
            "champion_day": str(serving.metadata.get("day", "none")),
            "refit": refit.version,
            **numbers_metadata(figures),
        },
        check_results=[
            AssetCheckResult(
                check_name="refit_serves",
                passed=serves,
                severity=AssetCheckSeverity.WARN,
                description=verdict.reason,
            )
        ],
    )


def _verdict(
    refit: ModelVersion,
    champion: ModelVersion | None,
    pointer: Champion,
    day: date,
    config: Profile,
    lake: Lake,
    warehouse: Warehouse,
) -> tuple[Verdict, dict[str, float]]:
    """The decision, and the figures that it rests on where the two models were compared."""
    if champion is None:
        return Verdict(True, "the first reward model: there is no champion to compare it with"), {}
    if champion.version == refit.version:
        return Verdict(False, "it is the champion already"), {}
    if refit.version in pointer.withdrawn():
        return Verdict(False, "it was rolled back: `llm-auction models promote pctr` puts it back by hand"), {}
    if may_have_learnt_from(champion, day):
        why = f"the champion, of arm {champion.metadata['arm']}, may have learnt from {day}, and can't be judged on it"
        return Verdict(False, why), {}
    if str(champion.metadata.get("day", "")) > str(day):
        return Verdict(False, f"the champion is of {champion.metadata['day']}, newer than {day}"), {}
    return _compared(refit, champion, day, config, lake, warehouse)


def _compared(
    refit: ModelVersion, champion: ModelVersion, day: date, config: Profile, lake: Lake, warehouse: Warehouse
) -> tuple[Verdict, dict[str, float]]:
    from llm_auction.pctr.comparison import compare
    from llm_auction.pctr.language_encoder import EncoderPlacement
    from llm_auction.pctr.model import PctrModel

    newest = load_days(warehouse, load_ads(lake), day, day, config.nightly.max_impressions, config.seed)
    rows = unseen_rows(newest, str(refit.metadata["window"][1]), config)
    impressions = [newest.impressions[row] for row in rows]
    runs = EncoderPlacement.of(config.pctr)
    comparison = compare(
        PctrModel.load(champion.path, runs).predict(impressions),
        PctrModel.load(refit.path, runs).predict(impressions),
        newest.clicked[rows],
        [impression.user_id for impression in impressions],
        resamples=config.nightly.bootstrap_resamples,
        confidence=config.nightly.confidence,
        seed=derive_seed(config.seed, "champion", str(day)),
    )
    figures = {"impressions": comparison.challenger["n"]}
    for name, worsening in comparison.worsening.items():
        figures[f"champion/{name}"] = comparison.champion[name]
        figures[f"refit/{name}"] = comparison.challenger[name]
        if worsening.low is not None and worsening.high is not None:
            figures |= {f"worsening/{name}/low": worsening.low, f"worsening/{name}/high": worsening.high}
    return judge(comparison, config.nightly), {name: value for name, value in figures.items() if not math.isnan(value)}
