"""What serving costs, and who gains by it."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.metrics import metric
from llm_auction.profiles.arms import is_ablation
from llm_auction.report.cost_plot import shown_contenders
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of, number

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


def cost_section(study: Study, drawn: Mapping[str, Plot]) -> Section:
    """Generations, tokens and seconds of every mechanism, and who gains."""
    comparison = study.comparison
    columns = (*_COST, *_SHARES)
    rows = tuple(
        (
            name_of(one),
            (
                *(Cell(number(comparison.interval(one, name).value, metric(name).unit)) for name, _ in _COST),
                *(Cell.of(comparison.interval(one, name), metric(name).unit) for name, _ in _SHARES),
            ),
        )
        for one in shown_contenders(comparison)
        if not is_ablation(one.mechanism)  # they cost what LLM-Auction costs
    )
    return Section(
        title="What it costs, and who gains",
        intro="Search at serving time buys revenue with generations; a trained model answers once. What advertisers "
        "pay, what the clicks are worth to them, and what users see beside it.",
        plots=(drawn["cost_revenue"],) if "cost_revenue" in drawn else (),
        tables=(Table("Cost and welfare", ("Mechanism", *(heading for _, heading in columns)), rows),),
        note="Per test query. Seconds: wall time of serving in batches, without loading the model and without judging. "
        "Each mechanism is a run of its own, and runs of a study share the machine with others, so that seconds don't "
        "compare mechanisms; tokens do. Payment: what the mechanism charges in expectation. Welfare: "
        "value x click probability, with the value that bidding.target_roi makes of a bid; utility: what is left of it "
        "after paying. MOSAIC's payment follows its pCTR, everybody else's the users' own clicks, by which welfare is "
        "counted for all: where its pCTR is too high, so is its bill. Flooded: answers with ads of which none can be "
        "clicked any more.",
    )
