"""Monotonicity in the report: how clicks follow the bid, of every contender."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.monotonicity import BidResponse
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study

HEADINGS = (
    "Spearman, mean curve",
    "Spearman, a query",
    "Falling steps",
    "Beyond noise",
    "Falls of the mean",
    "Queries that respond",
)


def monotonicity_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """Theorem 4.2, where it was measured."""
    if not study.pooled.bid_responses:
        return None
    answers = max(found.answers for found in study.pooled.bid_responses.values())
    return Section(
        title="Bids and clicks",
        intro="Raising a bid must not cost an advertiser clicks (monotonicity, Theorem 4.2 of the paper). "
        "A model that ignores bids draws a flat line.",
        plots=(drawn["bid_curve"],),
        tables=(
            monotonicity_table(
                study.pooled.bid_responses, {seed: one.bid_responses for seed, one in study.properties.items()}
            ),
        ),
        note=f"Falling steps: of a query's own curve, measured with {answers} answers a bid. Beyond noise: those that "
        "sign tests over the answers confirm, false discovery rate 5 % over all steps and queries (an en dash where so "
        "few answers could confirm none), with an interval over queries; where none is confirmed its upper end is "
        "that of the share of queries with any. Falls of the mean: steps at which the mean curve falls, t tests over "
        "queries with Holm's correction, 5 %.",
    )


def monotonicity_table(
    responses: Mapping[Contender, BidResponse], by_seed: Mapping[int, Mapping[Contender, BidResponse]] | None = None
) -> Table:
    """One row a contender: rank correlations, falling steps and what of them is beyond noise."""
    alone = {seed: _rows(found) for seed, found in (by_seed or {}).items()}
    return Table.of("Bid response", HEADINGS, _rows(responses), alone)


def _rows(responses: Mapping[Contender, BidResponse]) -> list[Row]:
    return [(one, _cells(found)) for one, found in responses.items()]


def _cells(found: BidResponse) -> list[Cell]:
    return [
        Cell.of(found.pooled_spearman),
        Cell.of(found.query_spearman),
        Cell.of(found.violation_share, "%"),
        Cell.of(found.confirmed_share, "%"),
        Cell(str(found.falls_of_mean)),
        Cell(f"{found.n_responsive} of {found.n}"),
    ]
