"""The report's sections on what theory promises: one for each property that has been measured, as words and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llm_auction.report.charts import Plot
from llm_auction.report.continuity import continuity_table
from llm_auction.report.incentives import incentive_tables
from llm_auction.report.monotonicity import monotonicity_table
from llm_auction.report.property_table import PropertyTable
from llm_auction.report.quality import quality_tables
from llm_auction.report.study import Study
from llm_auction.report.wording import number


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
    if study.incentives:
        found.append(_incentives(study))
    if study.quality:
        found.append(_quality(study))
    return found


def _monotonicity(study: Study, plot: Plot) -> PropertySection:
    answers = max(found.answers for by_name in study.bid_responses.values() for found in by_name.values())
    return PropertySection(
        title="Bids and clicks",
        intro="Raising a bid must not cost an advertiser clicks (monotonicity, Theorem 4.2 of the paper). "
        "A model that ignores bids draws a flat line.",
        plots=(plot,),
        tables=(monotonicity_table(study.bid_responses),),
        note=f"Falling steps: of a query's own curve, measured with {answers} answers a bid. Beyond noise: those that "
        "sign tests over the answers confirm, false discovery rate 5 % over all steps and queries (an en dash where so "
        "few answers could confirm none). Falls of the mean: steps at which the mean curve falls, t tests over queries "
        "with Holm's correction, 5 %.",
    )


def _continuity(study: Study, plot: Plot) -> PropertySection:
    first = next(iter(next(iter(study.continuity.values())).values()))
    return PropertySection(
        title="Continuity",
        intro="A small change of a bid must not change clicks by much (continuity, Theorem 4.3 of the paper). A slot "
        "auction jumps: below one bid the ad has nothing, from it on everything.",
        plots=(plot,),
        tables=(continuity_table(study.continuity),),
        note=f"One query, {first.answers} answers a bid: the bounds (95 %, conservative, for all steps at once) say "
        "how large the largest true jump may be. Jumps beyond noise: steps larger than the largest that sampling error "
        f"explains. Mean over queries: each query's own largest jump from {first.answers_of_many} answers a bid, so "
        f"that even a smooth curve shows about {number(1 / first.answers_of_many, '%')}; flat curves are left out.",
    )


def _incentives(study: Study) -> PropertySection:
    return PropertySection(
        title="Incentives",
        intro="First price asks for shading: an advertiser that bids its value keeps nothing. What it could gain is "
        "measured; where theory says that nobody can gain (MOSAIC, the segment auction), it is computed.",
        plots=(),
        tables=incentive_tables(study.incentives),
        note="First price: gain per query of the best bid of the ladder for utility maximisers, chosen by half of the "
        "answers and measured by the other (on average a lower bound); “at most” lets the same answers choose and "
        "measure. Value maximisers: itctr that another feasible bid would add to value / target ROI, held out as well: "
        "an interval that holds zero finds no better bid. Least utility: of any bid up to the value; not negative "
        "means individually rational. Best responses: all advertisers of a few queries, each moving only for a gain "
        "beyond its standard error, under the newest Ad-LLM. Truthful by design: exact arithmetic, 0 to nine "
        "digits. Gains, revenue and utilities in bid units.",
    )


def _quality(study: Study) -> PropertySection:
    return PropertySection(
        title="Answer quality",
        intro="How well the answers read, from their text alone (GEM-Bench, arXiv 2509.14221), and whether they say "
        "that they carry ads.",
        plots=(),
        tables=quality_tables(study.quality),
        note="Cosines of sentence embeddings by the reward model's text encoder: flow, of neighbouring sentences; "
        "coherence, to the mean of all; transition, of an ad's sentence to its neighbours; alignment, to the sentences "
        "without ads. Comparable within this report only. Repetition: word triples that stood in the answer before. "
        "Disclosed: answers with ads that say so in their own words.",
    )
