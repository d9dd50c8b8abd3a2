"""What each ablation is worth: its paired difference to the mechanism itself, and which differences are settled."""

from __future__ import annotations

from dataclasses import dataclass

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.efficiency import Comparison
from llm_auction.evaluation.multiple import holm
from llm_auction.evaluation.outcomes import Contender
from llm_auction.profiles.arms import ABLATION_BASE, ARMS, is_ablation

COMPARED = ("revenue_per_query", "reward_per_query")


@dataclass(frozen=True, slots=True)
class AblationGap:
    """One arm at its last iteration against `base` at the same one: the paired `difference` of a metric.

    Undefined where the base was not evaluated. `settled`: it differs from zero among ALL differences of the ablations
    (Holm's correction), not for itself alone.
    """

    arm: Contender
    base: Contender
    metric: str
    difference: Interval
    settled: bool


def ablations(comparison: Comparison) -> list[Contender]:
    """Every ablation at its last iteration, in the order of `ARMS`, without what they are compared with."""
    last = [comparison.last(arm) for arm in ARMS if is_ablation(arm) and arm != ABLATION_BASE]
    return [one for one in last if one is not None]


def ablation_gaps(comparison: Comparison, base_arm: str) -> list[AblationGap]:
    """The differences of all ablations to the arm they are compared with, revenue and reward of each in turn."""
    pairs = [(one, Contender(base_arm, one.iteration), name) for one in ablations(comparison) for name in COMPARED]
    known = [pair for pair in pairs if pair[1] in comparison]
    settled = dict(zip(known, holm([comparison.p_value(*pair) for pair in known]), strict=True))
    return [
        AblationGap(*pair, comparison.difference(*pair), settled[pair])
        if pair in settled
        else AblationGap(*pair, Interval(None, None, None), False)
        for pair in pairs
    ]
