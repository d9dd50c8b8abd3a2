"""What mechanisms charged, in the report: the worst bill of each against what the clicks were worth."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.charges import Charges
from llm_auction.evaluation.outcomes import Contender
from llm_auction.profiles.arms import is_ablation
from llm_auction.report.cost_plot import shown_contenders
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import share_of_worth, shown_exactly

HEADINGS = ("Least left over", "Most charged", "Bills")
READING = (
    "The worst of every candidate of every answer. Left over: bid × click probability, the users' own, less what was "
    "paid; charged: what was paid, of the same. Below 0, or above 100 %, somebody paid too much: MOSAIC bills what "
    "its reward model expects, clicks or the conversions that bids are for, and may where that is too high."
)
UNKNOWN = (
    "No table: the users are an LLM, so that nobody knows the click probabilities that a bill could be set against."
)
NO_BILLS = "No table: nobody was charged anything."


def charges_section(study: Study, drawn: Mapping[str, Plot]) -> Section:
    """The bills of every mechanism, trained arms at their last iteration; or why there are none to show."""
    rows = _rows(study, study.worst_charges)
    by_seed = {seed: _rows(study, own) for seed, own in study.charges.items()}
    return Section(
        title="What is charged",
        intro="Nobody should pay more than its bid for the clicks on its ad. That is read off the bills.",
        plots=(),
        tables=(Table.of("Charged", HEADINGS, rows, by_seed),) if rows else (),
        note=READING if rows else NO_BILLS if any(study.charges.values()) else UNKNOWN,
    )


def _rows(study: Study, charges: Mapping[Contender, Charges]) -> list[Row]:
    return [
        (
            one,
            (
                Cell(shown_exactly(charges[one].least_utility)),
                Cell(share_of_worth(charges[one].largest_share)),
                Cell(f"{charges[one].bills:,}"),
            ),
        )
        for one in shown_contenders(study.comparison)
        # Ablations bill as LLM-Auction does.
        if not is_ablation(one.mechanism) and one in charges and charges[one].bills
    ]
