"""What the property checks say of LLM-Auction, as findings of the verdict: bids and clicks, steps, incentives.

Each is read off its own 95 % interval; they are no part of the family that the comparisons are judged in. "No step" and
"no better bid" can't be shown, only that none of a stated size is there: the claims name it.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.continuity import ContinuityFigures
from llm_auction.evaluation.monotonicity import BidResponse
from llm_auction.evaluation.outcomes import Contender, of_contender
from llm_auction.report.finding import Finding, Status
from llm_auction.report.properties import Properties
from llm_auction.report.wording import PERCENT, number, with_interval

LARGEST_STEP = 0.5  # of the curve's range
CLICKS_MARGIN = 0.01  # of all answers


def property_findings(properties: Properties, final: Contender) -> list[Finding]:
    """What was measured of monotonicity, continuity and incentives of `final`."""
    found = []
    if final in properties.bid_responses:
        found.append(_monotonicity(properties.bid_responses[final]))
    if final in properties.continuity:
        found.append(_continuity(properties.continuity[final]))
    if properties.incentives is not None:
        found += _incentives(properties.incentives, final)
    return found


def _monotonicity(found: BidResponse) -> Finding:
    trend = found.pooled_spearman
    status: Status = "open"
    if found.falls_of_mean or (trend.high is not None and trend.high < 0):
        status = "fails"
    elif trend.low is not None and trend.low > 0:
        status = "holds"
    return Finding(
        "A higher bid brings more clicks: the mean curve rises, and none of its steps falls beyond noise",
        status,
        f"Rank correlation of bid and mean clicks {with_interval(trend)}, over {found.n} queries; steps of the mean "
        f"curve that fall beyond noise: {found.falls_of_mean} (tests at 5{PERCENT} a seed). A fall too small for the "
        "tests is not ruled out.",
    )


def _continuity(found: ContinuityFigures) -> Finding:
    share = found.jump.share
    return Finding(
        f"Clicks do not jump: no step of the bid changes them by {number(LARGEST_STEP, '%')} or more of their range (a "
        "slot auction's one step: by all of it)",
        _below(LARGEST_STEP, share, share),
        f"Largest change between neighbouring bids {with_interval(share, '%')} of the range, looked at closely in one "
        f"query a seed, with {found.answers} answers a bid.",
    )


def _incentives(table: pl.DataFrame, final: Contender) -> Iterator[Finding]:
    of_final = of_contender(table, final).select("metric", "setting", "value", "ci_low", "ci_high")
    figures = {(name, setting): Interval(value, low, high) for name, setting, value, low, high in of_final.iter_rows()}
    targets = [setting for name, setting in figures if name == "value_regret"]
    if not targets:
        return
    statuses = [
        _below(CLICKS_MARGIN, figures["value_regret", one], figures["value_regret_optimistic", one]) for one in targets
    ]
    status: Status = "fails" if "fails" in statuses else "open" if "open" in statuses else "holds"
    gains = "; ".join(
        f"at {str(one).replace('target_roi=', 'target ROI ')} {with_interval(figures['value_regret', one], 'points')}, "
        f"at most {with_interval(figures['value_regret_optimistic', one], 'points')}"
        for one in targets
    )
    evidence = f"Gained by the best other bid, held out and at most: {gains}."
    if ("utility_regret", None) in figures:
        evidence += (
            f" For utility maximisers first price is not truthful: {with_interval(figures['utility_regret', None])} a "
            "query to gain by bidding below the value."
        )
    yield Finding(
        f"Value maximisers gain no more than {number(CLICKS_MARGIN, 'points')} of clicks by another bid than value / "
        "target ROI",
        status,
        evidence,
    )


def _below(limit: float, least: Interval, most: Interval) -> Status:
    """Whether a figure is below a limit, given estimates that it lies between: the higher's upper bound must be."""
    if most.high is not None and most.high < limit:
        return "holds"
    return "fails" if least.low is not None and least.low > limit else "open"
