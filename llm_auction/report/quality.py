"""Answer quality in the report: what the text alone says, and a judge's grades where one was asked."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.judged_quality import JUDGED_SCHEMA
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.quality_summary import QualityFigure
from llm_auction.report.property_table import PropertyCell, PropertyTable, property_table

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


def quality_tables(figures: _Figures) -> tuple[PropertyTable, ...]:
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


def _table(label: str, figures: _Figures, metrics: Mapping[str, tuple[str, str]]) -> PropertyTable:
    return property_table(
        label,
        [heading for heading, _ in metrics.values()],
        {
            seed: [
                (one, [PropertyCell.of(found[name].mean, unit) for name, (_, unit) in metrics.items()])
                for one, found in by_name.items()
            ]
            for seed, by_name in figures.items()
        },
    )
