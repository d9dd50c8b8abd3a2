"""What each ablation is worth: its paired difference to the mechanism itself, and which differences are settled."""

from __future__ import annotations

from collections.abc import Iterable
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

    Undefined where the base was not evaluated. `agrees`: every seed alone has its sign. `settled`: it differs from zero
    among ALL differences of the ablations (Holm's correction), not for itself alone, and agrees: intervals over queries
    know nothing of the luck of training, which can be worth more than what an ablation changes.
    """

    arm: Contender
    base: Contender
    metric: str
    difference: Interval
    agrees: bool
    settled: bool


def ablations(comparison: Comparison) -> list[Contender]:
    """Every ablation at its last iteration, in the order of `ARMS`, without what they are compared with."""
    last = [comparison.last(arm) for arm in ARMS if is_ablation(arm) and arm != ABLATION_BASE]
    return [one for one in last if one is not None]


def ablation_gaps(comparison: Comparison, base_arm: str, seeds: Iterable[Comparison] = ()) -> list[AblationGap]:
    """The differences of all ablations to the arm they are compared with, revenue and reward of each in turn.

    `seeds`: the comparisons of each seed alone, where `comparison` pools them.
    """
    alone = list(seeds)

    def gap_of(arm: Contender, base: Contender, name: str, *, differs: bool) -> AblationGap:
        difference = comparison.difference(arm, base, name)
        agrees = all(_same_sign(difference, one.difference(arm, base, name)) for one in alone)
        return AblationGap(arm, base, name, difference, agrees, settled=differs and agrees)

    pairs = [(one, Contender(base_arm, one.iteration), name) for one in ablations(comparison) for name in COMPARED]
    known = [pair for pair in pairs if pair[1] in comparison]
    differ = dict(zip(known, holm([comparison.p_value(*pair) for pair in known]), strict=True))
    return [
        gap_of(*pair, differs=differ[pair])
        if pair in differ
        else AblationGap(*pair, Interval(None, None, None), agrees=False, settled=False)
        for pair in pairs
    ]


def _same_sign(one: Interval, other: Interval) -> bool:
    """Whether two differences point the same way; a difference of zero points nowhere."""
    return one.value is not None and other.value is not None and one.value * other.value > 0
