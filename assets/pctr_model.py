"""The reward model of an iteration: pCTR fitted on the modelled feedback of its arm (arXiv 2512.10551, Eq. 3 and 4)."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.calibration_check import calibration_check, calibration_verdict
from assets.feedback_events import end_of_iteration
from assets.frames import load_ads
from assets.impression_rows import impressions_from_rows
from assets.metadata import numbers_metadata, plot_metadata
from assets.partitions import ITERATIONS, irpo_partitions, partition_of, previous_iteration
from assets.pools import pool_of_encoder, require_pool
from assets.refused_feedback import require_accepted_feedback
from llm_auction.market import Ad
from llm_auction.pctr.impressions import Impression
from resources.gpu import release_gpu_memory
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse

if TYPE_CHECKING:
    from llm_auction.pctr.conversions import ConversionLabels

# The refit may rank worse than the model before by this much AUC before it warns: the sampling noise of the difference
# on the few hundred impressions of held-out users that an iteration of the laptop profile gives.
AUC_TOLERANCE = 0.02

IMPRESSIONS_SQL = """
select
    impressions.iteration,
    impressions.response_id,
    impressions.ad_id,
    impressions.position,
    impressions.clicked,
    impressions.click_probability,
    responses.user_id,
    responses.query,
    responses.profile,
    responses.answer,
    responses.policy_version
from fct_ad_impressions as impressions
inner join fct_responses as responses
    on
        impressions.arm = responses.arm
        and impressions.iteration = responses.iteration
        and impressions.response_id = responses.response_id
where impressions.arm = ? and impressions.iteration between ? and ?
order by impressions.iteration, impressions.ts, impressions.response_id, impressions.position
"""

# Of all iterations: one that is fitted on its own feedback alone continues from a model that learnt from the others.
LAST_DAY_SQL = """
select max((ts at time zone 'UTC')::date) as day from fct_ad_impressions
where arm = ? and iteration <= ?
"""

# In the order of the impressions. Conversions of mature impressions have all happened by then; others don't count.
CONVERSIONS_SQL = """
select
    conversions.response_id is not null as converted,
    impressions.ts + to_microseconds(?) <= ?::timestamptz as mature
from fct_ad_impressions as impressions
left join fct_ad_conversions as conversions
    on
        impressions.arm = conversions.arm
        and impressions.iteration = conversions.iteration
        and impressions.response_id = conversions.response_id
        and impressions.ad_id = conversions.ad_id
where impressions.arm = ? and impressions.iteration between ? and ?
order by impressions.iteration, impressions.ts, impressions.response_id, impressions.position
"""


@dataclass(frozen=True)
class Feedback:
    """Impressions with their clicks. `probabilities` are the user model's own, None where users are real; `newest`
    marks the rows of the iteration at hand, which `policy` answered (the version of an Ad-LLM)."""

    impressions: list[Impression]
    clicked: np.ndarray
    probabilities: np.ndarray | None
    newest: np.ndarray
    policy: str


@asset(
    group_name="irpo",
    partitions_def=irpo_partitions,
    deps=["fct_ad_impressions", "fct_ad_conversions", "fct_responses", "ad_catalog"],
    kinds={"python", "pytorch", "duckdb"},
    owners=["team:ads-science"],
    code_version="5",
    pool=pool_of_encoder(),
    check_specs=[
        AssetCheckSpec(
            "better_than_before",
            asset="pctr_model",
            description="The refit ranks the newest feedback of held-out users no worse than the model before it.",
        ),
        calibration_check("pctr_model", "held-out users"),
    ],
)
def pctr_model(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    warehouse: Warehouse,
    model_store: ModelStore,
) -> MaterializeResult:
    """The reward model, fitted on the modelled feedback of this arm: all iterations so far, or only the newest.

    Held-out users judge it beside the model of the iteration before: `before/*` is the old model on the newest
    feedback, `after/*` the refit on the same rows. Rejected feedback never reaches the tables that it reads. Without
    refits (`pctr.refit`) the first iteration's model stays, and is judged on the newest feedback all the same. Where
    bids are for conversions (`reward.bids_on`), it gets a conversion head.
    """
    from llm_auction.pctr.conversions import conversion_quality, with_conversions
    from llm_auction.pctr.fit import evaluate_pctr, fit_pctr, keep_pctr
    from llm_auction.pctr.language_encoder import EncoderPlacement
    from llm_auction.pctr.metrics import reliability_bins
    from llm_auction.pctr.model import CorruptPctrModel, PctrModel
    from llm_auction.pctr.plots import loss_chart, reliability_chart

    require_accepted_feedback(context.instance, context.partition_key)
    partition = partition_of(context.partition_key)
    arm, iteration = partition["arm"], partition["iteration"]
    config = profile.get().of_arm(arm)
    require_pool(context, pool_of_encoder(config))
    runs = EncoderPlacement.of(config.pctr)
    old = None
    previous = previous_iteration(iteration)
    if previous is not None and model_store.exists("pctr", f"{arm}/{previous}"):
        try:
            old = PctrModel.load(model_store.resolve("pctr", f"{arm}/{previous}").path, runs)
        except CorruptPctrModel as error:
            if not config.pctr.accumulate:
                raise
            # A fit on all feedback needs no earlier model; only the comparison falls away.
            context.log.warning(f"no comparison with iteration {previous}: {error}")
    first_iteration = "00" if config.pctr.accumulate else iteration
    feedback = load_feedback(warehouse, load_ads(lake), arm, first_iteration, iteration)
    if previous is None or config.pctr.refit:
        result = fit_pctr(
            feedback.impressions,
            feedback.clicked,
            config.pctr,
            config.seed,
            true_probabilities=feedback.probabilities,
            start=None if config.pctr.accumulate else old,
            use_answer_features=config.pctr.answer_features,
            on_epoch=lambda record: context.log.info(
                f"member {record['member']:.0f} epoch {record['epoch']:.0f}: log loss {record['train_loss']:.4f}, "
                f"held out {record['validation_loss']:.4f}"
            ),
        )
    else:
        first = PctrModel.load(model_store.resolve("pctr", f"{arm}/{ITERATIONS[0]}").path, runs)
        result = keep_pctr(first, feedback.impressions, config.pctr, config.seed)
    judged = result.test[feedback.newest[result.test]]
    impressions = [feedback.impressions[row] for row in judged]
    clicked = feedback.clicked[judged]
    true = None if feedback.probabilities is None else feedback.probabilities[judged]
    judged_now = evaluate_pctr(result.model, impressions, clicked, true)
    figures = {f"after/{name}": value for name, value in judged_now.items()}
    curves = {"after": reliability_bins(result.model.predict(impressions), clicked)}
    if old is not None:
        before = evaluate_pctr(old, impressions, clicked, true)
        figures |= {f"before/{name}": value for name, value in before.items()}
        curves = {"before": reliability_bins(old.predict(impressions), clicked), **curves}
    model = result.model
    if config.reward.bids_on == "conversions":
        labels = load_conversions(warehouse, config.feedback.conversion_hours, arm, first_iteration, iteration)
        model = with_conversions(model, feedback.impressions, labels, result.test)
        found = conversion_quality(model, feedback.impressions, labels, result.test)
        figures |= {f"after/{name}": value for name, value in found.items()}
    version = model_store.publish(
        "pctr",
        f"{arm}/{iteration}",
        model.save,
        {
            "arm": arm,
            "iteration": iteration,
            "policy": feedback.policy,
            **({"day": _last_day(warehouse, arm, iteration)} if config.feedback.source == "click_log" else {}),
            "metrics": {**model.metrics, **figures},
        },
    )
    metrics = {**result.metrics, **figures}
    release_gpu_memory()  # of the encoder: the steps that come want it
    return MaterializeResult(
        data_version=DataVersion(version.version),
        metadata={
            "model_version": version.version,
            "path": MetadataValue.path(str(version.path)),
            **({"reliability": plot_metadata(reliability_chart(curves))} if impressions else {}),
            **({"loss": plot_metadata(loss_chart(result.history))} if result.history else {}),
            "split": result.metrics["split"],
            **numbers_metadata({name: value for name, value in metrics.items() if not _is_nan(value)}),
        },
        check_results=[_better_than_before(figures), calibration_verdict(judged_now)],
    )


def load_feedback(warehouse: Warehouse, ads: dict[str, Ad], arm: str, first_iteration: str, iteration: str) -> Feedback:
    """The modelled impressions of an arm from `first_iteration` to `iteration`, in a fixed order.

    Raises:
        ValueError: the iteration has no impressions, or an ad is not in the catalog.
    """
    frame = warehouse.query(IMPRESSIONS_SQL, [arm, first_iteration, iteration])
    newest = (frame["iteration"] == iteration).to_numpy()
    if not newest.any():
        raise ValueError(
            f"no impressions of arm {arm}, iteration {iteration} in the warehouse: materialize "
            f"fct_ad_impressions[{arm}|{iteration}] first; if it is there, no answer inserted an ad"
        )
    unknown = set(frame["ad_id"]) - set(ads)
    if unknown:
        raise ValueError(
            f"fct_ad_impressions of arm {arm} names ads that ad_catalog lacks: {', '.join(sorted(unknown)[:5])}; "
            "materialize the iterations again after a change of the catalog"
        )
    impressions = impressions_from_rows(frame, ads, ("iteration", "response_id"))
    probabilities = frame["click_probability"]
    return Feedback(
        impressions=impressions,
        clicked=frame["clicked"].to_numpy(),
        probabilities=None if probabilities.null_count() else probabilities.to_numpy(),
        newest=newest,
        policy=str(frame["policy_version"].filter(newest)[0]),
    )


def load_conversions(
    warehouse: Warehouse, window_hours: float, arm: str, first_iteration: str, iteration: str
) -> "ConversionLabels":
    """The labels of the impressions of `load_feedback`, in their order, as they are known when `iteration` ends."""
    from llm_auction.pctr.conversions import ConversionLabels

    window, now = round(window_hours * 3600e6), end_of_iteration(iteration).isoformat()
    frame = warehouse.query(CONVERSIONS_SQL, [window, now, arm, first_iteration, iteration])
    return ConversionLabels(frame["converted"].to_numpy(), frame["mature"].to_numpy())


def _last_day(warehouse: Warehouse, arm: str, iteration: str) -> str:
    """The last UTC day of real logs that an iteration's model has learnt from; ISO 8601."""
    return str(warehouse.query(LAST_DAY_SQL, [arm, iteration])["day"][0])


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _better_than_before(figures: dict[str, float]) -> AssetCheckResult:
    before, after = figures.get("before/auc"), figures["after/auc"]
    if before is None or np.isnan(before) or np.isnan(after):
        return AssetCheckResult(
            check_name="better_than_before", passed=True, metadata={"why": "no earlier model, or no clicks to rank"}
        )
    return AssetCheckResult(
        check_name="better_than_before",
        passed=bool(after >= before - AUC_TOLERANCE),
        severity=AssetCheckSeverity.WARN,
        metadata=numbers_metadata({"auc_before": before, "auc_after": after, "impressions": figures["after/n"]}),
    )
