"""The property checks by the names of the command line, each an asset of its own."""

PROPERTIES = {
    "monotonicity": "bid_monotonicity",
    "continuity": "bid_continuity",
    "incentives": "incentive_report",
    "quality": "answer_quality",
    "reserve": "reserve_prices",
    "objectives": "objective_terms",
    "reward_model": "reward_model_ablation",
}
# Checks of whatever was answered; the others draw answers from the models of one arm.
OF_OUTCOMES = ("quality", "objectives")
ARM_OF_PROPERTIES = "llm_auction"
# The models that those others rest on, beside the base model: (kind, arm).
MODELS_OF_CHECKS = (("pctr", ARM_OF_PROPERTIES), ("ad_llm", ARM_OF_PROPERTIES))
# The tables of the evaluation that a check reads.
TABLES_OF = {"incentives": ("bid_monotonicity",), **dict.fromkeys(OF_OUTCOMES, ("mechanism_outcomes",))}
