"""The paper's tables beside ours: what it reports, what we measure, and which of its orderings are found again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.efficiency import PRETRAINED, Comparison
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.ablation_gaps import ablation_gaps
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import MISSING, NAMES, number


@dataclass(frozen=True, slots=True)
class Published:
    """Revenue and reward a query of one mechanism in arXiv 2512.10551v1, section 5 (bids 1 to 100 a click)."""

    mechanism: str
    revenue: float
    reward: float


FIRST_VERSION = (
    Published("pretrained", 46.88, -120.11),
    Published("mosaic", 73.29, 24.95),
    Published("llm_auction", 125.28, 54.13),
    Published("oracle", 174.64, 109.64),
)
# arXiv 2512.10551v2. Its rewards don't compare with those of v1: the pretrained model's alone is 105 higher.
SECOND_VERSION_RATIO = 1.591  # LLM-Auction's revenue over MOSAIC's
SECOND_VERSION_REWARDS = {"pretrained": -15.27, "llm_auction": 81.86}
# What the first version finds: more of the first than of the second, in both quantities.
ORDERINGS = (
    ("mosaic", "pretrained"),
    ("llm_auction", "pretrained"),
    ("llm_auction", "mosaic"),
    ("oracle", "llm_auction"),
)
# The ablations of the second version, both worse than LLM-Auction.
ABLATIONS = {"no_answer_features": "pCTR without the answer", "no_iteration": "one reward fit"}
_QUANTITIES = {"revenue_per_query": "revenue", "reward_per_query": "reward"}


def paper_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """The paper's figures beside ours, where LLM-Auction and the pretrained model were measured."""
    comparison = study.comparison
    final = comparison.last("llm_auction")
    if PRETRAINED not in comparison or final is None:
        return None
    headings = (
        "Mechanism",
        "Revenue, paper",
        "× pretrained",
        "Revenue, ours",
        "× pretrained",
        "Reward, paper",
        "Reward, ours",
    )
    rows = tuple((NAMES[one.mechanism], _figures(comparison, one)) for one in FIRST_VERSION)
    orders = [row for first, second in ORDERINGS for row in _orderings(comparison, first, second)]
    orders += _ablation_orderings(study)
    second = tuple(_second_version(comparison, final))
    return Section(
        title="The paper's tables beside ours",
        intro="Levels depend on the market, the model and the users: the paper's are 100 candidates a query, 4 billion "
        "parameters and an LLM that clicks. What can be found again is who earns more than whom.",
        plots=(),
        tables=(
            Table("Figures, first version", headings, rows),
            Table("Figures, second version", ("What it reports", "Paper", "Ours"), second),
            Table("Orderings", ("What the paper finds", "Version", "Paper", "Ours", "Found again"), tuple(orders)),
        ),
        note="Paper: arXiv 2512.10551, v1 and v2. Ours: MOSAIC at its best setting for each quantity, trained arms at "
        "their last iteration, ablations against LLM-Auction on as many queries at the same one. Rewards compare by "
        "sign and order alone, because the paper doesn't print its penalty, and those of its versions not with each "
        "other. Of the ablations v2's finding is given, not its figures. Orderings of ours: the paired difference with "
        "its 95 % interval, each for itself, an ablation's only where every seed agrees; the verdict above judges its "
        "claims together.",
    )


def _ours(comparison: Comparison, mechanism: str, metric: str) -> Contender | None:
    if mechanism == "mosaic":
        return comparison.best("mosaic", metric)
    return PRETRAINED if mechanism == "pretrained" else comparison.last(mechanism)


def _figures(comparison: Comparison, one: Published) -> tuple[Cell, ...]:
    base = FIRST_VERSION[0]
    ours = {metric: _ours(comparison, one.mechanism, metric) for metric in _QUANTITIES}
    earned, rewarded = ours["revenue_per_query"], ours["reward_per_query"]
    missing = Interval(None, None, None)
    ratio = comparison.ratio(earned, PRETRAINED, "revenue_per_query") if earned and earned != PRETRAINED else missing
    return (
        Cell(number(one.revenue)),
        Cell(number(one.revenue / base.revenue) if one is not base else MISSING),
        Cell.of(comparison.interval(earned, "revenue_per_query") if earned else missing),
        Cell.of(ratio),
        Cell(number(one.reward)),
        Cell.of(comparison.interval(rewarded, "reward_per_query") if rewarded else missing),
    )


def _orderings(comparison: Comparison, first: str, second: str) -> list[tuple[str, tuple[Cell, ...]]]:
    published = {one.mechanism: one for one in FIRST_VERSION}
    rows: list[tuple[str, tuple[Cell, ...]]] = []
    for metric, quantity in _QUANTITIES.items():
        one, base = _ours(comparison, first, metric), _ours(comparison, second, metric)
        if one is None or base is None:
            continue
        gap = comparison.difference(one, base, metric)
        theirs = getattr(published[first], quantity) - getattr(published[second], quantity)
        rows.append(
            (
                f"{NAMES[first]} above {NAMES[second]}, {quantity}",
                (Cell("v1"), Cell(number(theirs)), Cell.of(gap), Cell(_found_again(gap))),
            )
        )
    return rows


def _second_version(comparison: Comparison, final: Contender) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    best = comparison.best("mosaic", "revenue_per_query")
    if best is not None:
        ours = comparison.ratio(final, best, "revenue_per_query")
        yield "LLM-Auction's revenue, of MOSAIC's", (Cell(number(SECOND_VERSION_RATIO)), Cell.of(ours))
    for mechanism, published in SECOND_VERSION_REWARDS.items():
        one = _ours(comparison, mechanism, "reward_per_query")
        if one is not None:
            ours = comparison.interval(one, "reward_per_query")
            yield f"Reward, {NAMES[mechanism]}", (Cell(number(published)), Cell.of(ours))
    gain = SECOND_VERSION_REWARDS["llm_auction"] - SECOND_VERSION_REWARDS["pretrained"]
    ours = comparison.difference(final, PRETRAINED, "reward_per_query")
    yield "Reward gained by training", (Cell(number(gain)), Cell.of(ours))


def _ablation_orderings(study: Study) -> list[tuple[str, tuple[Cell, ...]]]:
    rows: list[tuple[str, tuple[Cell, ...]]] = []
    for gap in ablation_gaps(study.comparison, study.ablation_base, study.comparisons.values()):
        if gap.arm.mechanism in ABLATIONS and gap.base in study.comparison:
            above = study.comparison.difference(gap.base, gap.arm, gap.metric)
            name = f"LLM-Auction above {ABLATIONS[gap.arm.mechanism]}, {_QUANTITIES[gap.metric]}"
            again = _found_again(above) if gap.agrees else "not settled"
            rows.append((name, (Cell("v2"), Cell("above"), Cell.of(above), Cell(again))))
    return rows


def _found_again(gap: Interval) -> str:
    if (gap.low or 0.0) > 0:
        return "yes"
    return "no, the other way round" if (gap.high or 0.0) < 0 else "not settled"
