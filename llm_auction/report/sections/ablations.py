"""What each part of the training is worth: arms that train with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.outcomes import Contender
from llm_auction.profiles.arms import ARMS
from llm_auction.report.cost_plot import shown_contenders
from llm_auction.report.palette import SERIES
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of


def ablations_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """Every ablation at its last iteration against LLM-Auction at the same one, where any was evaluated."""
    comparison = study.comparison
    ablations = [one for one in shown_contenders(comparison) if one.mechanism in ARMS and one.mechanism not in SERIES]
    if not ablations:
        return None
    rows = []
    for one in ablations:
        base = Contender("llm_auction", one.iteration)
        gaps = [
            comparison.difference(one, base, name) if base in comparison else Interval(None, None, None)
            for name in ("revenue_per_query", "reward_per_query")
        ]
        figures = [comparison.interval(one, name) for name in ("revenue_per_query", "reward_per_query")]
        changes = ", ".join(f"{path} = {str(value).lower()}" for path, value in ARMS[one.mechanism].items())
        pairs = zip(figures, gaps, strict=True)
        cells = (Cell(changes), *(Cell.of(one) for pair in pairs for one in pair))
        rows.append((name_of(one), cells))
    headings = ("Arm", "What differs", "Revenue", "against LLM-Auction", "Reward", "against LLM-Auction")
    return Section(
        title="Ablations",
        intro="Arms that train with one thing changed, on feedback of their own, judged like everybody else.",
        plots=(),
        tables=(Table("Ablations", headings, tuple(rows)),),
        note="Against LLM-Auction: the paired difference to the same iteration over the same test queries, with its "
        "95 % interval. The intervals don't contain the luck of training, which only several seeds show.",
    )
