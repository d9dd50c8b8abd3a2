"""The sections of the report between the results and the examples: one file each, and one name in `SECTIONS`."""

from __future__ import annotations

from collections.abc import Iterable

from llm_auction.report.plot import Plot
from llm_auction.report.sections.ablations import ablations_section
from llm_auction.report.sections.charges import charges_section
from llm_auction.report.sections.continuity import continuity_section
from llm_auction.report.sections.cost import cost_section
from llm_auction.report.sections.incentives import incentives_section
from llm_auction.report.sections.monotonicity import monotonicity_section
from llm_auction.report.sections.objectives import objectives_section
from llm_auction.report.sections.paper import paper_section
from llm_auction.report.sections.quality import quality_section
from llm_auction.report.sections.reserve_prices import reserve_prices_section
from llm_auction.report.sections.reward_models import reward_models_section
from llm_auction.report.sections.section import MakeSection, Section
from llm_auction.report.study import Study

__all__ = ["SECTIONS", "Section", "sections_of"]

# In the order of the page.
SECTIONS: tuple[MakeSection, ...] = (
    paper_section,
    cost_section,
    charges_section,
    ablations_section,
    objectives_section,
    reserve_prices_section,
    reward_models_section,
    monotonicity_section,
    continuity_section,
    incentives_section,
    quality_section,
)


def sections_of(study: Study, plots: Iterable[Plot]) -> list[Section]:
    """The sections that the study has figures for."""
    drawn = {plot.name: plot for plot in plots}
    made = (make(study, drawn) for make in SECTIONS)
    return [section for section in made if section is not None]
