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
