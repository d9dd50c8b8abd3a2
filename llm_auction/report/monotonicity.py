"""Monotonicity in the report: how clicks follow the bid, of every contender."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.monotonicity import BidResponse
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.property_table import PropertyCell, PropertyTable, property_table

HEADINGS = (
    "Spearman, mean curve",
    "Spearman, a query",
    "Falling steps",
    "Beyond noise",
    "Falls of the mean",
    "Queries that respond",
)


def monotonicity_table(responses: Mapping[int, Mapping[Contender, BidResponse]]) -> PropertyTable:
    """One row a contender (and seed): rank correlations, falling steps and what of them is beyond noise."""
    return property_table(
        "Bid response",
        HEADINGS,
        {seed: [(one, _cells(found)) for one, found in by_name.items()] for seed, by_name in responses.items()},
    )


def _cells(found: BidResponse) -> list[PropertyCell]:
    return [
        PropertyCell.of(found.pooled_spearman),
        PropertyCell.of(found.query_spearman),
        PropertyCell.of(found.violation_share, "%"),
        PropertyCell.of(Interval(found.confirmed_share, None, None), "%"),
        PropertyCell(str(found.falls_of_mean)),
        PropertyCell(f"{found.n_responsive} of {found.n}"),
    ]
