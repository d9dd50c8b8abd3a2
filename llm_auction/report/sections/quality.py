"""Answer quality in the report: what the text alone says, and a judge's grades where one was asked."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.judged_quality import JUDGED_SCHEMA
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.quality_summary import QualityFigure
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Table, seed_table
from llm_auction.report.study import Study

_Figures = Mapping[int, Mapping[Contender, Mapping[str, QualityFigure]]]

# Metric -> heading, unit.
_TEXT_METRICS = {
    "injection": ("Answers with an ad", "%"),
    "local_flow": ("Local flow", ""),
    "global_coherence": ("Global coherence", ""),
    "ad_transition": ("Ad transition", ""),
    "ad_alignment": ("Ad alignment", ""),
    "words": ("Words", "tokens"),
    "repetition": ("Repetition", "%"),
    "disclosure": ("Ads disclosed", "%"),
}
_GRADES = {name: (name.capitalize(), "tokens") for name in ("satisfaction", "engagement", *list(JUDGED_SCHEMA)[:6])}


def quality_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """How the answers read, where it was measured."""
    if not study.quality:
        return None
    return Section(
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


def quality_tables(figures: _Figures) -> tuple[Table, ...]:
    """The metrics of the text; a second table of grades where any answer was judged."""
    judged = any(
        "satisfaction" in found and found["satisfaction"].n
        for by_name in figures.values()
        for found in by_name.values()
    )
    tables = [_table("Answer quality", figures, _TEXT_METRICS)]
    if judged:
        tables.append(_table("Grades of the judge", figures, _GRADES))
    return tuple(tables)


def _table(label: str, figures: _Figures, metrics: Mapping[str, tuple[str, str]]) -> Table:
    return seed_table(
        label,
        [heading for heading, _ in metrics.values()],
        {
            seed: [
                (one, [Cell.of(found[name].mean, unit) for name, (_, unit) in metrics.items()])
                for one, found in by_name.items()
            ]
            for seed, by_name in figures.items()
        },
    )
