"""The report's sections on what serving costs, who gains by it, and what the ablations cost."""

from __future__ import annotations

from collections.abc import Iterable

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.efficiency import Comparison
from llm_auction.evaluation.metrics import metric
from llm_auction.evaluation.outcomes import Contender
from llm_auction.profiles.arms import ARMS
from llm_auction.report.charts import Plot
from llm_auction.report.cost_plot import shown_contenders
from llm_auction.report.palette import SERIES
from llm_auction.report.property_sections import PropertySection
from llm_auction.report.property_table import PropertyCell, PropertyTable
from llm_auction.report.study import Study
from llm_auction.report.wording import interval, name_of, number

_COST = (
    ("generations_per_query", "Generations"),
    ("tokens_per_query", "Tokens"),
    ("seconds_per_query", "Seconds"),
)
_SHARES = (
    ("revenue_per_query", "Revenue"),
    ("payment_per_query", "Payment"),
    ("welfare_per_query", "Welfare"),
    ("utility_per_query", "Utility"),
    ("ads_per_answer", "Ads"),
    ("no_ad_share", "No ad"),
    ("flooding_rate", "Flooded"),
)


def economics_sections(study: Study, plots: Iterable[Plot]) -> list[PropertySection]:
    """Cost and welfare of every mechanism, and the ablations where arms of that kind were evaluated."""
    drawn = {plot.name: plot for plot in plots}
    comparison = study.comparison
    found = [_cost(comparison, (drawn["cost_revenue"],) if "cost_revenue" in drawn else ())]
    ablations = [one for one in shown_contenders(comparison) if one.mechanism in ARMS and one.mechanism not in SERIES]
    if ablations:
        found.append(_ablations(comparison, ablations))
    return found


def _cost(comparison: Comparison, plots: tuple[Plot, ...]) -> PropertySection:
    columns = (*_COST, *_SHARES)
    rows = tuple(
        (
            name_of(one),
            tuple(PropertyCell(number(comparison.interval(one, name).value, metric(name).unit)) for name, _ in columns),
        )
        for one in shown_contenders(comparison)
    )
    return PropertySection(
        title="What it costs, and who gains",
        intro="Search at serving time buys revenue with generations; a trained model answers once. What advertisers "
        "pay, what the clicks are worth to them, and what users see beside it.",
        plots=plots,
        tables=(PropertyTable("Cost and welfare", ("Mechanism", *(heading for _, heading in columns)), rows),),
        note="Per test query. Seconds: wall time of serving in batches, without loading the model and without judging; "
        "compare what one run measured on one machine. Payment: what the mechanism charges in expectation. Welfare: "
        "value x click probability, with the value that bidding.target_roi makes of a bid; utility: what is left of it "
        "after paying. Flooded: answers with ads of which none can be clicked any more.",
    )


def _ablations(comparison: Comparison, ablations: list[Contender]) -> PropertySection:
    rows = []
    for one in ablations:
        base = Contender("llm_auction", one.iteration)
        gaps = [
            comparison.difference(one, base, name) if base in comparison else Interval(None, None, None)
            for name in ("revenue_per_query", "reward_per_query")
        ]
        figures = [comparison.interval(one, name) for name in ("revenue_per_query", "reward_per_query")]
        changes = ", ".join(f"{path} = {str(value).lower()}" for path, value in ARMS[one.mechanism].items())
        cells = (PropertyCell(changes), _cell(figures[0]), _cell(gaps[0]), _cell(figures[1]), _cell(gaps[1]))
        rows.append((name_of(one), cells))
    headings = ("Arm", "What differs", "Revenue", "against LLM-Auction", "Reward", "against LLM-Auction")
    return PropertySection(
        title="Ablations",
        intro="Arms that train with one thing changed, on feedback of their own, judged like everybody else.",
        plots=(),
        tables=(PropertyTable("Ablations", headings, tuple(rows)),),
        note="Against LLM-Auction: the paired difference to the same iteration over the same test queries, with its "
        "95 % interval. The intervals don't contain the luck of training, which only several seeds show.",
    )


def _cell(figure: Interval) -> PropertyCell:
    return PropertyCell(number(figure.value), interval(figure))
