"""Answer quality in the report: what the text alone says, and a judge's grades where one was asked."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.judged_quality import JUDGED_SCHEMA
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.quality_summary import QualityFigure
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study

_Figures = Mapping[Contender, Mapping[str, QualityFigure]]

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
    if not study.pooled.quality:
        return None
    return Section(
        title="Answer quality",
        intro="How well the answers read, from their text alone (GEM-Bench, arXiv 2509.14221), and whether they say "
        "that they carry ads.",
        plots=(),
        tables=quality_tables(study.pooled.quality, {seed: one.quality for seed, one in study.properties.items()}),
        note="Cosines of sentence embeddings by the reward model's text encoder: flow, of neighbouring sentences; "
        "coherence, to the mean of all; transition, of an ad's sentence to its neighbours; alignment, to the sentences "
        "without ads. Comparable within this report only. Repetition: word triples that stood in the answer before. "
        "Disclosed: answers with ads that say so in their own words.",
    )


def quality_tables(figures: _Figures, by_seed: Mapping[int, _Figures] | None = None) -> tuple[Table, ...]:
    """The metrics of the text; a second table of grades where any answer was judged."""
    judged = any("satisfaction" in found and found["satisfaction"].n for found in figures.values())
    tables = [_table("Answer quality", figures, by_seed or {}, _TEXT_METRICS)]
    if judged:
        tables.append(_table("Grades of the judge", figures, by_seed or {}, _GRADES))
    return tuple(tables)


def _table(
    label: str, figures: _Figures, by_seed: Mapping[int, _Figures], metrics: Mapping[str, tuple[str, str]]
) -> Table:
    def rows(own: _Figures) -> list[Row]:
        return [
            (one, [Cell.of(found[name].mean, unit) for name, (_, unit) in metrics.items()])
            for one, found in own.items()
        ]

    headings = [heading for heading, _ in metrics.values()]
    return Table.of(label, headings, rows(figures), {seed: rows(own) for seed, own in by_seed.items()})
