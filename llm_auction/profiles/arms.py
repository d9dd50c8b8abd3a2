"""The arms of the experiment: what each trains differently, as overrides of the profile.

The first two are the paper's mechanism and its upper reference. `ABLATIONS` change one part of the training (two of
them are the paper's), `SWEEPS` one number that it leaves open, `OBJECTIVES` want something else than clicks. All
collect their own feedback and are judged alike: an arm changes how a model is trained and prompted, never how it is
measured. A new ablation is one line in `ARMS` and its name in one of the first two. A profile may train both on fewer
queries (`ablations.train_queries`); then they are compared with `ABLATION_BASE`, the mechanism itself on as many.
"""

from __future__ import annotations

ARMS: dict[str, dict[str, object]] = {
    "llm_auction": {},
    "oracle": {"preferences.rewards_from": "user"},
    "no_answer_features": {"pctr.answer_features": False},
    "no_iteration": {"pctr.refit": False},
    "fixed_reference": {"dpo.reference": "base"},
    "no_bids_in_prompt": {"ad_llm.show_bids": False},
    "ablation_base": {},
    "delta_th_0": {"preferences.delta_th": 0.0},
    "delta_th_20": {"preferences.delta_th": 20.0},
    "answers_3": {"preferences.answers_per_query": 3},
    "answers_12": {"preferences.answers_per_query": 12},
    "no_penalty": {"reward.lambda_": 0.0},
    "double_penalty": {"reward.lambda_": 2.0},
    "cheap_ads": {"reward.ad_weight": 1.0},
    "cheap_errors": {"reward.error_weight": 5.0},
    # Another objective: what it costs in revenue is what the report shows.
    "conversions": {"reward.bids_on": "conversions"},
    "fidelity": {"reward.fidelity_weight": 10.0},
    "quality_guard": {"reward.length_weight": 0.5, "reward.repetition_weight": 20.0},
    "kl_budget": {"dpo.reference": "base", "dpo.max_kl": 5.0},
    # No experiment: real users in place of simulated ones (docs/nightly.md).
    "production": {"feedback.source": "click_log"},
}

# Arms that want something else than clicks alone: the report says what they gain of it.
OBJECTIVES = ("conversions", "fidelity", "quality_guard", "kl_budget")
# What changes one part of the training, and what both kinds are compared with.
ABLATION_BASE = "ablation_base"
ABLATIONS = ("no_answer_features", "no_iteration", "fixed_reference", "no_bids_in_prompt")
SWEEPS = (
    "delta_th_0",
    "delta_th_20",
    "answers_3",
    "answers_12",
    "no_penalty",
    "double_penalty",
    "cheap_ads",
    "cheap_errors",
)


def is_ablation(arm: str) -> bool:
    """Whether the arm is an ablation, a point of a sweep, or what both are compared with."""
    return arm == ABLATION_BASE or arm in ABLATIONS or arm in SWEEPS


def check_arm(name: str) -> str:
    """The name of an arm, as it is given; ValueError for one that there isn't."""
    if name not in ARMS:
        raise ValueError(f"unknown arm {name}: choose among {', '.join(ARMS)}")
    return name
