"""The arms of the experiment: what each trains differently, as overrides of the profile.

The first two are the paper's mechanism and its upper reference. The next four are ablations (two of them the paper's),
the rest sweep what it leaves open, or want something else than clicks. All collect their own feedback and are judged
alike: an arm changes how a model is trained and prompted, never how it is measured. A new ablation is one line here.
"""

from __future__ import annotations

ARMS: dict[str, dict[str, object]] = {
    "llm_auction": {},
    "oracle": {"preferences.rewards_from": "user"},
    "no_answer_features": {"pctr.answer_features": False},
    "no_iteration": {"pctr.refit": False},
    "fixed_reference": {"dpo.reference": "base"},
    "no_bids_in_prompt": {"ad_llm.show_bids": False},
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


def check_arm(name: str) -> str:
    """The name of an arm, as it is given; ValueError for one that there isn't."""
    if name not in ARMS:
        raise ValueError(f"unknown arm {name}: choose among {', '.join(ARMS)}")
    return name
