"""The verdict in words: what the intervals support, what they leave open, and what they speak against.

A comparison is read off the *paired* difference over the same queries, which may be settled although the separate
intervals touch; the words say so. All of them are judged together (`claims.py`): one holds or fails only if its
difference stands Holm's correction over the family, so that the chance of any wrong one is 5 %. That something is not
worse can only be shown up to a margin; the claim names it, and holds only if the interval rules out more. Findings of
the property checks follow (`property_verdict.py`), each by its own interval.
"""

from __future__ import annotations

from llm_auction.evaluation.efficiency import PRETRAINED, Comparison
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.claims import BASELINES, ERROR_MARGIN, QUANTITIES, REWARD_MARGIN, Claim, Judgement, judged
from llm_auction.report.finding import Finding
from llm_auction.report.left_out import left_out_notes
from llm_auction.report.property_verdict import property_findings
from llm_auction.report.study import Study
from llm_auction.report.wording import NAMES, PERCENT, number, share_of_worth, shown_exactly, with_interval

_NO_INTERVAL = "A seed with a single test query gives no interval: nothing is settled."


def findings(study: Study) -> list[Finding]:
    """What the study supports about LLM-Auction at its LAST iteration (not its best one)."""
    comparison = study.comparison
    final = comparison.last("llm_auction")
    if final is None:
        some = _evaluated_seeds(study)
        evidence = f"{some}: pooled is what every seed has." if some else "No outcomes of llm_auction are there yet."
        return [Finding("LLM-Auction was trained and evaluated.", "open", evidence)]
    claims = judged(comparison, final)
    found = []
    for claim, judgement in claims.items():
        if claim.metric == "format_error_rate":
            words, evidence = _no_more_errors(comparison, claim, judgement)
        elif claim.one.mechanism == "oracle":
            words, evidence = _not_below(comparison, claim, judgement)
        else:
            words, evidence = _above(comparison, claim, judgement, len(claims))
        found.append(Finding(words, judgement.status, f"{evidence}{_in_each_seed(study, claim)}"))
    return [*found, _charged(study, final), *property_findings(study.pooled, final)]


def _charged(study: Study, final: Contender) -> Finding:
    """Individual rationality, on the bills of every answer."""
    words = "Nobody is charged more than its bid for the clicks on its ad"
    found = study.worst_charges.get(final)
    if found is None:
        return Finding(words, "open", "The users' click probabilities are not known: no bill can be set against them.")
    return Finding(
        words,
        "holds" if found.rational else "fails",
        f"Over {found.bills:,} bills: at the least {shown_exactly(found.least_utility)} is left of bid × click, at the "
        f"most {share_of_worth(found.largest_share)} of it is charged.",
    )


def _in_each_seed(study: Study, claim: Claim) -> str:
    """In how many seeds the difference has the sign of the pooled one; nothing for a single seed."""
    if len(study.seeds) == 1:
        return ""
    pooled = study.comparison.difference(claim.one, claim.base, claim.metric).value or 0.0
    every = study.comparisons.values()
    alone = [found.difference(claim.one, claim.base, claim.metric).value or 0.0 for found in every]
    same = sum(value * pooled > 0 for value in alone)
    return f" The same way in {same} of {len(alone)} seeds."


def headline(study: Study) -> str:
    """One sentence on the whole study, no stronger than its findings."""
    comparison, final = study.comparison, study.comparison.last("llm_auction")
    if final is None:
        return f"{_evaluated_seeds(study) or 'LLM-Auction has not been evaluated yet'}; the others stand alone."
    revenue = comparison.interval(final, "revenue_per_query")
    earners = {
        "pretrained": "the pretrained model's revenue",
        "mosaic": "MOSAIC's revenue at its best setting",
        "mosaic_tuned": "that of MOSAIC on tuned candidates",
    }
    ratios = []
    for claim, judgement in judged(comparison, final).items():
        ratio = comparison.ratio(claim.one, claim.base, claim.metric)
        if claim.metric == "revenue_per_query" and claim.base.mechanism in earners and ratio.value is not None:
            unsettled = " (not settled)" if judgement.status == "open" else ""
            ratios.append(f"{number(ratio.value)} times {earners[claim.base.mechanism]}{unsettled}")
    earned = " and ".join(filter(None, [", ".join(ratios[:-1]), *ratios[-1:]])) or f"{number(revenue.value)} a query"
    sentence = f"After {_iterations(final)} LLM-Auction earns {earned}"
    share = comparison.interval(final, "clairvoyant_reward_share")
    if share.value is not None:
        sentence += f", and reaches {number(share.value, '%')} of the best reward the user model allows"
    return sentence + "."


def _evaluated_seeds(study: Study) -> str:
    """Under which seeds alone LLM-Auction was evaluated, of several; empty where it was under none."""
    there = [seed for seed, one in study.comparisons.items() if one.last("llm_auction") is not None]
    return f"LLM-Auction was evaluated under seed {', '.join(map(str, there))} alone" if there else ""


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
    if study.questions.matter:
        notes.append(
            f"{study.questions.shared} of {study.questions.asked} test questions were put to several seeds, as a file "
            "of queries does: a question is resampled for all of them at once, and the intervals of pooled property "
            "checks are as wide as if the seeds' figures moved as one."
        )
    if study.comparison.queries < 30:
        notes.append(
            f"Only {study.comparison.queries} test queries: percentile intervals are too narrow at this size. "
            "Read the figures as a check that everything runs, not as a result."
        )
    chosen = [NAMES[one] for one in BASELINES if study.comparison.best(one, "revenue_per_query") is not None]
    if chosen:
        notes.append(
            f"Taken at the variant that did best on these same queries, separately for revenue and reward, which "
            f"favours {'it' if len(chosen) == 1 else 'them'}: {', '.join(chosen)}. LLM-Auction is taken at its last "
            "iteration, not at its best one."
        )
    notes.append(
        "The comparisons of two mechanisms above are judged together (Holm's correction): the chance that any of them "
        "is wrongly called settled is 5 %. Findings on bids, steps and incentives, and intervals in tables and plots, "
        "are for one figure each: of twenty, one misses by chance."
    )
    return [*notes, *left_out_notes(study)]


def _above(comparison: Comparison, claim: Claim, judgement: Judgement, claims: int) -> tuple[str, str]:
    figure, base_figure = (comparison.interval(one, claim.metric) for one in (claim.one, claim.base))
    gap = judgement.difference
    words = f"More {QUANTITIES[claim.metric]} per query than {_base_name(claim.base)}"
    evidence = f"{with_interval(figure)} against {with_interval(base_figure)}; paired difference {with_interval(gap)}"
    ratio = comparison.ratio(claim.one, claim.base, claim.metric)
    if ratio.value is not None:
        evidence += f", ratio {with_interval(ratio)}"
    if gap.low is None or gap.high is None:
        return words, f"{evidence}. {_NO_INTERVAL}"
    if gap.low <= 0 <= gap.high:
        return words, f"{evidence}. The paired interval holds zero: not settled."
    if not judgement.beyond_chance:
        return words, f"{evidence}. Settled alone, but not as one of {claims} claims."
    if judgement.status == "fails":
        return words, f"{evidence}. It is the other way round."
    if figure.above(base_figure):
        return words, f"{evidence}. The separate intervals do not overlap."
    return words, f"{evidence}. The separate intervals overlap; the paired difference is settled."


def _not_below(comparison: Comparison, claim: Claim, judgement: Judgement) -> tuple[str, str]:
    margin = number(claim.margin)
    oracle, final = (comparison.interval(one, claim.metric) for one in (claim.one, claim.base))
    words = (
        f"The Oracle, trained on true click probabilities, is not below LLM-Auction by more than {margin} "
        f"({100 * REWARD_MARGIN:g}{PERCENT} of LLM-Auction's reward)"
    )
    evidence = (
        f"Reward {with_interval(oracle)} of the Oracle against {with_interval(final)}; paired difference "
        f"{with_interval(judgement.difference)}."
    )
    return words, f"{evidence} {_within(judgement, claim.margin, margin, 'below', 'above')}"


def _no_more_errors(comparison: Comparison, claim: Claim, judgement: Judgement) -> tuple[str, str]:
    before, after = (comparison.interval(one, claim.metric) for one in (claim.one, claim.base))
    margin = number(ERROR_MARGIN, "points")
    # The claim is about errors spared; people read errors made.
    gap = comparison.difference(claim.base, claim.one, claim.metric)
    words = f"Training breaks the ad format at most {margin} more often than before"
    evidence = (
        f"{with_interval(after, '%')} of the answers against {with_interval(before, '%')}; paired difference "
        f"{with_interval(gap, 'points')}."
    )
    return words, f"{evidence} {_within(judgement, claim.margin, margin, 'more errors', 'fewer errors')}"


def _within(judgement: Judgement, margin: float, shown: str, worse: str, better: str) -> str:
    """What the interval says of a claim with a margin, and whether it shows the direction of the difference."""
    gap = judgement.difference
    if gap.low is None or gap.high is None:
        return _NO_INTERVAL
    if judgement.status == "fails":
        return f"Settled: {worse} by more than {shown}."
    if gap.low <= -margin:
        ruled = f"More than {shown} {worse} is not ruled out: not settled"
    elif judgement.status == "open":
        ruled = f"More than {shown} {worse} is ruled out alone, but not as one of all claims"
    else:
        ruled = f"More than {shown} {worse} is ruled out"
    if gap.low <= 0 <= gap.high:
        return f"{ruled}. The interval holds zero: which of the two is ahead is not shown."
    return f"{ruled}. The interval lies wholly on one side of zero: {better if gap.low > 0 else worse}."


def _base_name(base: Contender) -> str:
    if base == PRETRAINED:
        return "the pretrained model"
    return f"{NAMES[base.mechanism]} at its best ({(base.variant or '').replace('tau=', 'τ = ')})"


def _iterations(final: Contender) -> str:
    count = int(final.iteration or 0)
    return f"{count} iteration" + ("" if count == 1 else "s")
