"""The claims of the verdict that compare two mechanisms, judged together.

Each says that one figure is above another, or below it by no more than a margin. All differences are paired, and all
claims are one family: Holm's correction holds the chance that ANY of them is settled wrongly at 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.efficiency import PRETRAINED, Comparison
from llm_auction.evaluation.multiple import holm
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.finding import Status

QUANTITIES = {"revenue_per_query": "revenue", "reward_per_query": "reward"}
BASELINES = ("mosaic", "mosaic_tuned", "rag_auction")
# "Not below" and "no more" can't be shown, only that a difference of this size is ruled out.
REWARD_MARGIN = 0.05  # of LLM-Auction's reward
ERROR_MARGIN = 0.01  # of all answers


@dataclass(frozen=True, slots=True)
class Claim:
    """`one` has at least the `metric` of `base`, less `margin` (0: strictly more), in the metric's own unit."""

    one: Contender
    base: Contender
    metric: str
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The paired `difference` behind a claim; `beyond_chance`: settled on one side of -margin among all claims."""

    difference: Interval
    beyond_chance: bool
    status: Status


def judged(comparison: Comparison, final: Contender) -> dict[Claim, Judgement]:
    """Every measured claim about LLM-Auction at `final`, its last iteration, in the order of the page."""
    claims = _claims(comparison, final)
    settled = holm([comparison.p_value(one.one, one.base, one.metric, one.margin) for one in claims])
    found = {}
    for claim, beyond_chance in zip(claims, settled, strict=True):
        difference = comparison.difference(claim.one, claim.base, claim.metric)
        found[claim] = Judgement(difference, beyond_chance, _status(difference, claim.margin, beyond_chance))
    return found


def _claims(comparison: Comparison, final: Contender) -> list[Claim]:
    claims = []
    for name in QUANTITIES:
        best = (comparison.best(baseline, name) for baseline in BASELINES)
        bases = [PRETRAINED if PRETRAINED in comparison else None, *best]
        claims += [Claim(final, base, name) for base in bases if base is not None]
    oracle = comparison.last("oracle")
    if oracle is not None:
        reward = comparison.interval(final, "reward_per_query").value or 0.0
        claims.append(Claim(oracle, final, "reward_per_query", REWARD_MARGIN * abs(reward)))
    if PRETRAINED in comparison:
        claims.append(Claim(PRETRAINED, final, "format_error_rate", ERROR_MARGIN))
    return claims


def _status(difference: Interval, margin: float, beyond_chance: bool) -> Status:
    if difference.low is None or difference.high is None or not beyond_chance:
        return "open"
    if difference.low > -margin:
        return "holds"
    return "fails" if difference.high < -margin else "open"
