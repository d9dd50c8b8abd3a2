"""Property check: what the reward model owes to the answer and to being fitted anew, on the same feedback."""

from dagster import AllPartitionMapping, AssetDep, AssetExecutionContext, MaterializeResult, MetadataValue

from assets.frames import load_ads
from assets.lineage import evaluated_iterations
from assets.measured_models import models_behind
from assets.metadata import plot_metadata
from assets.pctr_model import load_feedback
from assets.pools import pool_of_encoder, require_pool
from assets.properties import ARM_OF_PROPERTIES as ARM
from assets.properties import MODELS_OF_CHECKS
from assets.property_check import measured, property_check
from resources.gpu import release_gpu_memory
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse

COLUMN_DESCRIPTIONS = {
    "iteration": "Whose newest feedback of held-out users the model is judged on.",
    "reads_answer": "Whether the answer's text is an input of the model.",
    "refreshed": "Fitted on the feedback up to this iteration, or once, on the first.",
    "auc": "Area under the ROC curve.",
    "log_loss": "Log loss, nats an impression.",
    "ece": "Expected calibration error.",
    "ece_noise": "The calibration error that sampling alone would show.",
    "bayes_auc": "AUC of the users' own click probabilities, where they are known.",
    "bayes_log_loss": "Their log loss.",
    "n": "Impressions it is judged on.",
}


# The feedback of every iteration is used.
@property_check(
    deps=("ad_catalog", AssetDep("pctr_model", partition_mapping=AllPartitionMapping())),
    kinds=frozenset({"python", "pytorch", "duckdb", "parquet"}),
    code_version="4",
    pool=pool_of_encoder(),
)
def reward_model_ablation(
    context: AssetExecutionContext,
    profile: ProfileResource,
    lake: Lake,
    warehouse: Warehouse,
    model_store: ModelStore,
) -> MaterializeResult:
    """AUC, log loss and calibration of pCTR with and without the answer, fitted once or refreshed, per iteration.

    All four are fitted on the feedback of the arm llm_auction and judged on the same held-out users. The arms
    no_answer_features and no_iteration show what these reward models do to the Ad-LLM.
    """
    from llm_auction.pctr.ablation import IterationFeedback
    from llm_auction.pctr.ablation import reward_model_ablation as ablation
    from llm_auction.pctr.ablation_summary import ablation_chart, ablation_markdown

    config, ads = profile.get(), load_ads(lake)
    require_pool(context, pool_of_encoder(config))
    models = models_behind(model_store, MODELS_OF_CHECKS)
    parts = []
    for iteration in evaluated_iterations(model_store, "pctr", ARM, context.log.info):
        found = load_feedback(warehouse, ads, ARM, iteration, iteration)
        parts.append(IterationFeedback(iteration, found.impressions, found.clicked, found.probabilities))
    frame = ablation(parts, config.pctr, config.seed, context.log.info)
    release_gpu_memory()  # of the encoder
    shown = {
        "summary": MetadataValue.md(ablation_markdown(frame)),
        "auc": plot_metadata(ablation_chart(frame)),
    }
    return measured(lake, "reward_model_ablation", frame, COLUMN_DESCRIPTIONS, shown, config, models)
