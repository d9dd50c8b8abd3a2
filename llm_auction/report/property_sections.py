"""The report's sections on what theory promises: one for each property that has been measured, as words and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.continuity import ContinuityFigures
from llm_auction.evaluation.monotonicity import BidResponse
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.charts import Plot
from llm_auction.report.study import Study
from llm_auction.report.wording import MISSING, interval, name_of, number

Figures = TypeVar("Figures")


@dataclass(frozen=True, slots=True)
class PropertyCell:
    """One figure as text, with its interval as text (may be empty)."""

    text: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class PropertyTable:
    """A table: its first heading is that of the row names; `label` names it for screen readers."""

    label: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[PropertyCell, ...]], ...]


@dataclass(frozen=True, slots=True)
class PropertySection:
    """One section: what the property says, plots and tables, and how to read them (`note`, may be empty)."""

    title: str
    intro: str
    plots: tuple[Plot, ...]
    tables: tuple[PropertyTable, ...]
    note: str


def property_sections(study: Study, plots: Iterable[Plot]) -> list[PropertySection]:
    """The sections of the properties that were measured, in the order of the paper."""
    drawn = {plot.name: plot for plot in plots}
    found = []
    if study.bid_responses:
        found.append(_monotonicity(study, drawn["bid_curve"]))
    if study.continuity:
        found.append(_continuity(study, drawn["bid_continuity"]))
    return found


def _monotonicity(study: Study, plot: Plot) -> PropertySection:
    def cells(found: BidResponse) -> tuple[PropertyCell, ...]:
        return (
            PropertyCell(number(found.pooled_spearman)),
            _cell(found.query_spearman),
            _cell(found.violation_share, "%"),
            PropertyCell(number(found.confirmed_share, "%")),
            PropertyCell(str(found.falls_of_mean)),
        )

    answers = max(found.answers for by_name in study.bid_responses.values() for found in by_name.values())
    return PropertySection(
        title="Bids and clicks",
        intro="Raising a bid must not cost an advertiser clicks (monotonicity, Theorem 4.2 of the paper). "
        "A model that ignores bids draws a flat line.",
        plots=(plot,),
        tables=(
            PropertyTable(
                "Bid response",
                (
                    _first_heading(study),
                    "Spearman, mean curve",
                    "Spearman, a query",
                    "Falling steps",
                    "Beyond noise",
                    "Falls of the mean",
                ),
                _rows(study, study.bid_responses, cells),
            ),
        ),
        note=f"Falling steps: of a query's own curve, measured with {answers} answers a bid. Beyond noise: those that "
        "sign tests over the answers confirm, false discovery rate 5 % over all steps and queries (an en dash where so "
        "few answers could confirm none). Falls of the mean: steps at which the mean curve falls, t tests over queries "
        "with Holm's correction, 5 %.",
    )


def _continuity(study: Study, plot: Plot) -> PropertySection:
    def cells(found: ContinuityFigures) -> tuple[PropertyCell, ...]:
        jump = found.jump
        return (
            _cell(jump.share, "%"),
            PropertyCell(str(jump.bid) if jump.range else MISSING),
            PropertyCell(str(jump.steps_beyond_noise)),
            _cell(found.mean_share, "%"),
        )

    first = next(iter(next(iter(study.continuity.values())).values()))
    return PropertySection(
        title="Continuity",
        intro="A small change of a bid must not change clicks by much (continuity, Theorem 4.3 of the paper). A slot "
        "auction jumps: below one bid the ad has nothing, from it on everything.",
        plots=(plot,),
        tables=(
            PropertyTable(
                "Largest jump",
                (
                    _first_heading(study),
                    "Largest jump, of the range",
                    "At bid",
                    "Jumps beyond noise",
                    "Largest jump, mean over queries",
                ),
                _rows(study, study.continuity, cells),
            ),
        ),
        note=f"One query, {first.answers} answers a bid: the bounds (95 %, conservative, for all steps at once) say "
        "how large the largest true jump may be. Jumps beyond noise: steps larger than the largest that sampling error "
        f"explains. Mean over queries: each query's own largest jump from {first.answers_of_many} answers a bid, so "
        f"that even a smooth curve shows about {number(1 / first.answers_of_many, '%')}; flat curves are left out.",
    )


def _rows(
    study: Study,
    by_seed: Mapping[int, Mapping[Contender, Figures]],
    cells: Callable[[Figures], tuple[PropertyCell, ...]],
) -> tuple[tuple[str, tuple[PropertyCell, ...]], ...]:
    several = len(study.runs) > 1
    return tuple(
        (f"{seed}, {name_of(contender)}" if several else name_of(contender), cells(figures))
        for seed, by_contender in by_seed.items()
        for contender, figures in by_contender.items()
    )


def _first_heading(study: Study) -> str:
    return "Seed and model" if len(study.runs) > 1 else "Model"


def _cell(figure: Interval, unit: str = "") -> PropertyCell:
    return PropertyCell(number(figure.value, unit), interval(figure, unit))
