"""What each part of the training is worth: arms that train with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.evaluation.outcomes import Contender
from llm_auction.profiles.arms import ABLATION_BASE, ARMS
from llm_auction.report.ablation_gaps import AblationGap, ablation_gaps
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of, number

HEADINGS = ("Arm", "Revenue", "Against the base", "Reward", "Against the base")


def ablations_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """Every ablation at its last iteration against its base at the same one, where any was evaluated."""
    gaps = ablation_gaps(study.comparison, study.ablation_base, study.comparisons.values())
    if not gaps:
        return None
    by_arm: dict[Contender, list[AblationGap]] = {}
    for gap in gaps:
        by_arm.setdefault(gap.arm, []).append(gap)
    rows = tuple((name_of(arm), _cells(study, arm, of_arm)) for arm, of_arm in by_arm.items())
    base = "LLM-Auction trained on as many queries" if study.ablation_base == ABLATION_BASE else "LLM-Auction"
    headings = (*HEADINGS, *(("Reward, each seed",) if len(study.seeds) > 1 else ()), "What differs")
    return Section(
        title="Ablations",
        intro="Arms that train with one thing changed, on feedback of their own, judged like everybody else.",
        plots=(),
        tables=(Table("Ablations", headings, rows),),
        note=f"The base is {base}, at the same iteration; differences are paired over the same test queries, with 95 % "
        f"intervals for each alone. {len(gaps)} differences are looked at, of which one in twenty would leave its "
        "interval by chance: those in bold are settled among all of them (Holm's correction, 5 %)"
        f"{' and point the same way under every seed' if len(study.seeds) > 1 else ''}. The intervals don't "
        "contain the luck of training, which the differences of each seed show.",
    )


def _cells(study: Study, arm: Contender, gaps: list[AblationGap]) -> tuple[Cell, ...]:
    cells = []
    for gap in gaps:
        cells.append(Cell.of(study.comparison.interval(arm, gap.metric)))
        cells.append(Cell.of(gap.difference, settled=gap.settled))
    if len(study.seeds) > 1:
        base = gaps[-1].base
        alone = [
            one.difference(arm, base, "reward_per_query").value if base in one else None
            for one in study.comparisons.values()
        ]
        cells.append(Cell(" · ".join(map(number, alone))))
    cells.append(Cell(", ".join(f"{path} = {str(value).lower()}" for path, value in ARMS[arm.mechanism].items())))
    return tuple(cells)
