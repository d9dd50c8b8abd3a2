"""The verdict in words: what the intervals support, what they leave open, and what they speak against.

A comparison is read off the *paired* difference over the same queries, which may be settled although the separate
intervals touch; the words say so. All claims are judged together: one holds or fails only if its difference stands
Holm's correction over the family, so that the chance of any wrong one is 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from llm_auction.evaluation.efficiency import PRETRAINED, Comparison
from llm_auction.evaluation.multiple import holm
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of, number, with_interval

Status = Literal["holds", "open", "fails"]
_QUANTITIES = {"revenue_per_query": "revenue", "reward_per_query": "reward"}


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
    claims = _claims(comparison, final)
    found = []
    for (one, base, name), beyond_chance in claims.items():
        if name == "format_error_rate":
            finding = _no_more_errors(comparison, final, beyond_chance)
        elif one.mechanism == "oracle":
            finding = _not_below(comparison, one, final, beyond_chance)
        else:
            finding = _above(comparison, final, base, name, beyond_chance, len(claims))
        found.append(replace(finding, evidence=f"{finding.evidence}{_in_each_seed(study, one, base, name)}"))
    return found


def _claims(comparison: Comparison, final: Contender) -> dict[tuple[Contender, Contender, str], bool]:
    """What is compared: whose figure, with whose, and which, in the order of the page; and whether it is settled."""
    pairs = []
    for name in _QUANTITIES:
        if PRETRAINED in comparison:
            pairs.append((final, PRETRAINED, name))
        best = comparison.best("mosaic", name)
        if best is not None:
            pairs.append((final, best, name))
    oracle = comparison.last("oracle")
    if oracle is not None:
        pairs.append((oracle, final, "reward_per_query"))
    if PRETRAINED in comparison:
        pairs.append((final, PRETRAINED, "format_error_rate"))
    return dict(zip(pairs, holm([comparison.p_value(*pair) for pair in pairs]), strict=True))


def _in_each_seed(study: Study, one: Contender, base: Contender, name: str) -> str:
    """In how many seeds the difference has the sign of the pooled one; nothing for a single seed."""
    if len(study.seeds) == 1:
        return ""
    pooled = study.comparison.difference(one, base, name).value or 0.0
    alone = [found.difference(one, base, name).value or 0.0 for found in study.comparisons.values()]
    same = sum(value * pooled > 0 for value in alone)
    return f" The same way in {same} of {len(alone)} seeds."


def headline(study: Study) -> str:
    """One sentence on the whole study, no stronger than its findings."""
    comparison, final = study.comparison, study.comparison.last("llm_auction")
    if final is None:
        return "LLM-Auction has not been evaluated yet; the baselines stand alone."
    revenue = comparison.interval(final, "revenue_per_query")
    ratios = [
        f"{number(ratio.value)} times {base_name}{_unsettled(study, final, base)}"
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
            "training runs would vary over other test queries. How training runs differ is drawn in the plots and "
            "stands in the tables of each seed; with so few seeds it has no interval."
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
    notes.append(
        "The claims above are judged together (Holm's correction): the chance that any of them is wrongly called "
        "settled is 5 %. Intervals in tables and plots are for one figure each: of twenty, one misses by chance."
    )
    if study.left_out:
        left_out = "; ".join(name_of(one) for one in study.left_out)
        notes.append(f"Left out of the pooled figures because not every seed has it: {left_out}.")
    return notes


def _above(
    comparison: Comparison, one: Contender, base: Contender, name: str, beyond_chance: bool, claims: int
) -> Finding:
    quantity = _QUANTITIES[name]
    figure, base_figure = comparison.interval(one, name), comparison.interval(base, name)
    gap = comparison.difference(one, base, name)
    claim = f"More {quantity} per query than {_base_name(base)}"
    evidence = f"{with_interval(figure)} against {with_interval(base_figure)}; paired difference {with_interval(gap)}"
    ratio = comparison.ratio(one, base, name)
    if ratio.value is not None:
        evidence += f", ratio {with_interval(ratio)}"
    low, high = gap.low or 0.0, gap.high or 0.0
    if low <= 0 <= high:
        return Finding(claim, "open", f"{evidence}. The paired interval holds zero: not settled.")
    if not beyond_chance:
        return Finding(claim, "open", f"{evidence}. Settled alone, but not as one of {claims} claims.")
    if high < 0:
        return Finding(claim, "fails", f"{evidence}. It is the other way round.")
    if figure.above(base_figure):
        return Finding(claim, "holds", f"{evidence}. The separate intervals do not overlap.")
    return Finding(claim, "holds", f"{evidence}. The separate intervals overlap; the paired difference is settled.")


def _not_below(comparison: Comparison, oracle: Contender, final: Contender, beyond_chance: bool) -> Finding:
    gap = comparison.difference(oracle, final, "reward_per_query")
    figures = (
        f"Reward {with_interval(comparison.interval(oracle, 'reward_per_query'))} of the Oracle against "
        f"{with_interval(comparison.interval(final, 'reward_per_query'))}; paired difference {with_interval(gap)}."
    )
    claim = "The Oracle, trained on true click probabilities, is not below LLM-Auction"
    if (gap.high or 0.0) < 0 and beyond_chance:
        return Finding(claim, "fails", figures)
    if (gap.value or 0.0) < 0:
        return Finding(claim, "open", f"{figures} It measured lower, by no more than chance explains.")
    return Finding(claim, "holds", figures)


def _no_more_errors(comparison: Comparison, final: Contender, beyond_chance: bool) -> Finding:
    gap = comparison.difference(final, PRETRAINED, "format_error_rate")
    figures = (
        f"{with_interval(comparison.interval(final, 'format_error_rate'), '%')} of the answers against "
        f"{with_interval(comparison.interval(PRETRAINED, 'format_error_rate'), '%')}; "
        f"paired difference {with_interval(gap, 'points')}."
    )
    claim = "Training breaks the ad format no more often than before"
    if (gap.low or 0.0) > 0 and beyond_chance:
        return Finding(claim, "fails", figures)
    return Finding(claim, "holds" if (gap.value or 0.0) <= 0 else "open", figures)


def _base_name(base: Contender) -> str:
    if base.mechanism == "mosaic":
        return f"MOSAIC at its best ({(base.variant or '').replace('tau=', 'τ = ')})"
    return "the pretrained model"


def _unsettled(study: Study, final: Contender, base: Contender) -> str:
    claims = _claims(study.comparison, final)
    return "" if claims[final, base, "revenue_per_query"] else " (not settled)"


def _iterations(final: Contender) -> str:
    count = int(final.iteration or 0)
    return f"{count} iteration" + ("" if count == 1 else "s")
