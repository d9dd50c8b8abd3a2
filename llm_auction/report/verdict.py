"""The verdict in words: what the intervals support, what they leave open, and what they speak against.

Two readings of a comparison are given. *Separate* intervals that do not overlap are the strict one. The *paired*
difference over the same queries is the sharper one: it may be settled although the separate intervals touch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_auction.evaluation.efficiency import PRETRAINED, Comparison
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of, number, with_interval

Status = Literal["holds", "open", "fails"]
_QUANTITIES = {"revenue": "revenue_per_query", "reward": "reward_per_query"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim, whether the intervals support it, and the figures behind that."""

    claim: str
    status: Status
    evidence: str


def findings(study: Study) -> list[Finding]:
    """What the study supports about LLM-Auction at its LAST iteration (not its best one)."""
    comparison = study.comparison
    final = comparison.last("llm_auction")
    if final is None:
        return [Finding("LLM-Auction was trained and evaluated.", "open", "No outcomes of llm_auction are there yet.")]
    found = []
    for quantity, name in _QUANTITIES.items():
        if PRETRAINED in comparison:
            found.append(_above(comparison, final, PRETRAINED, quantity))
        best = comparison.best("mosaic", name)
        if best is not None:
            found.append(_above(comparison, final, best, quantity))
    oracle = comparison.last("oracle")
    if oracle is not None:
        found.append(_not_below(comparison, oracle, final))
    if PRETRAINED in comparison:
        found.append(_no_more_errors(comparison, final))
    return found


def headline(study: Study) -> str:
    """One sentence on the whole study, no stronger than its findings."""
    comparison, final = study.comparison, study.comparison.last("llm_auction")
    if final is None:
        return "LLM-Auction has not been evaluated yet; the baselines stand alone."
    revenue = comparison.interval(final, "revenue_per_query")
    ratios = [
        f"{number(ratio.value)} times {base_name}{_unsettled(comparison, final, base)}"
        for base, base_name in (
            (PRETRAINED if PRETRAINED in comparison else None, "the pretrained model's revenue"),
            (comparison.best("mosaic", "revenue_per_query"), "MOSAIC's revenue at its best setting"),
        )
        if base is not None and (ratio := comparison.ratio(final, base, "revenue_per_query")).value is not None
    ]
    earned = " and ".join(ratios) or f"{number(revenue.value)} a query"
    sentence = f"After {_iterations(final)} LLM-Auction earns {earned}"
    share = comparison.interval(final, "clairvoyant_reward_share")
    if share.value is not None:
        sentence += f", and reaches {number(share.value, '%')} of the best reward the user model allows"
    return sentence + "."


def caveats(study: Study) -> list[str]:
    """What a reader must know before believing the figures."""
    notes = []
    if len(study.seeds) == 1:
        notes.append(
            "One seed: the intervals say how the figures would vary over other test queries, "
            "not how another training run would turn out."
        )
    else:
        notes.append(
            f"{len(study.seeds)} seeds are pooled, resampled within each: the intervals say how the figures of these "
            "training runs would vary over other test queries; the spread over seeds is drawn in the plots."
        )
    if study.comparison.queries < 30:
        notes.append(
            f"Only {study.comparison.queries} test queries: percentile intervals are too narrow at this size. "
            "Read the figures as a check that everything runs, not as a result."
        )
    if study.comparison.best("mosaic", "revenue_per_query") is not None:
        notes.append(
            "MOSAIC is taken at the variant that did best on these same queries, separately for revenue and reward, "
            "which favours MOSAIC; LLM-Auction is taken at its last iteration, not at its best one."
        )
    notes.append("Several comparisons are made and each interval is for one of them alone; no correction is applied.")
    if study.left_out:
        left_out = "; ".join(name_of(one) for one in study.left_out)
        notes.append(f"Left out of the pooled figures because not every seed has it: {left_out}.")
    return notes


def _above(comparison: Comparison, one: Contender, base: Contender, quantity: str) -> Finding:
    name = _QUANTITIES[quantity]
    figure, base_figure = comparison.interval(one, name), comparison.interval(base, name)
    gap = comparison.difference(one, base, name)
    claim = f"More {quantity} per query than {_base_name(base)}"
    evidence = f"{with_interval(figure)} against {with_interval(base_figure)}; paired difference {with_interval(gap)}"
    ratio = comparison.ratio(one, base, name)
    if ratio.value is not None:
        evidence += f", ratio {with_interval(ratio)}"
    low, high = gap.low or 0.0, gap.high or 0.0
    if figure.above(base_figure):
        return Finding(claim, "holds", f"{evidence}. The separate intervals do not overlap.")
    if low > 0:
        return Finding(claim, "holds", f"{evidence}. The separate intervals overlap; the paired difference is settled.")
    if high < 0:
        return Finding(claim, "fails", f"{evidence}. It is the other way round.")
    return Finding(claim, "open", f"{evidence}. The paired interval holds zero: not settled.")


def _not_below(comparison: Comparison, oracle: Contender, final: Contender) -> Finding:
    gap = comparison.difference(oracle, final, "reward_per_query")
    figures = (
        f"Reward {with_interval(comparison.interval(oracle, 'reward_per_query'))} of the Oracle against "
        f"{with_interval(comparison.interval(final, 'reward_per_query'))}; paired difference {with_interval(gap)}."
    )
    claim = "The Oracle, trained on true click probabilities, is not below LLM-Auction"
    if (gap.high or 0.0) < 0:
        return Finding(claim, "fails", figures)
    if (gap.value or 0.0) < 0:
        return Finding(claim, "open", f"{figures} It measured lower, by no more than chance explains.")
    return Finding(claim, "holds", figures)


def _no_more_errors(comparison: Comparison, final: Contender) -> Finding:
    gap = comparison.difference(final, PRETRAINED, "format_error_rate")
    figures = (
        f"{with_interval(comparison.interval(final, 'format_error_rate'), '%')} of the answers against "
        f"{with_interval(comparison.interval(PRETRAINED, 'format_error_rate'), '%')}; "
        f"paired difference {with_interval(gap, 'points')}."
    )
    claim = "Training breaks the ad format no more often than before"
    if (gap.low or 0.0) > 0:
        return Finding(claim, "fails", figures)
    return Finding(claim, "holds" if (gap.value or 0.0) <= 0 else "open", figures)


def _base_name(base: Contender) -> str:
    if base.mechanism == "mosaic":
        return f"MOSAIC at its best ({(base.variant or '').replace('tau=', 'τ = ')})"
    return "the pretrained model"


def _unsettled(comparison: Comparison, final: Contender, base: Contender) -> str:
    gap = comparison.difference(final, base, "revenue_per_query")
    return " (not settled)" if (gap.low or 0.0) <= 0 <= (gap.high or 0.0) else ""


def _iterations(final: Contender) -> str:
    count = int(final.iteration or 0)
    return f"{count} iteration" + ("" if count == 1 else "s")
