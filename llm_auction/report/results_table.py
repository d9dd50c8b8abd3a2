"""The results table: a row a contender, a cell a metric with its interval, the best of each column marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.clairvoyant_outcomes import CLAIRVOYANT
from llm_auction.evaluation.metrics import metric
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.palette import SERIES
from llm_auction.report.study import Study
from llm_auction.report.wording import interval, name_of, number

# (metric, heading, unit, better): the columns, from what is sold to what it costs.
_COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("revenue_per_query", "Revenue", "", "higher"),
    ("revenue_ratio_to_pretrained", "× pretrained", "", "higher"),
    ("revenue_ratio_to_mosaic", "× MOSAIC", "", "higher"),
    ("reward_per_query", "Reward", "", "higher"),
    ("clairvoyant_reward_share", "Of the bound", "%", "higher"),
    ("payment_per_query", "Payment", "", ""),
    ("ads_per_answer", "Ads", "", ""),
    ("ctr", "CTR", "%", ""),
    ("format_error_rate", "Format errors", "%", "lower"),
    ("answer_words", "Words", "words", ""),
    ("generations_per_query", "Generations", "answers", ""),
)
_NONE = Interval(None, None, None)
_WITH_INTERVAL = {
    "revenue_per_query",
    "revenue_ratio_to_pretrained",
    "revenue_ratio_to_mosaic",
    "reward_per_query",
    "clairvoyant_reward_share",
    "format_error_rate",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure as text, its interval as text (may be empty), and whether it is the best of its column."""

    text: str
    interval: str
    best: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One contender; `kind` is its mechanism, `starts_group` where the mechanism differs from the row above."""

    name: str
    kind: str
    cells: tuple[Cell, ...]
    starts_group: bool


@dataclass(frozen=True, slots=True)
class ResultsTable:
    headings: tuple[str, ...]
    rows: tuple[Row, ...]


def results_table(study: Study) -> ResultsTable:
    """The table of the page. What knows the true click probabilities can't be "best"."""
    figures = study.figures()
    columns = [
        one for one in _COLUMNS if any(name == one[0] and f.value is not None for (_, name), f in figures.items())
    ]
    # Ablations have a section of their own.
    contenders = [one for one in study.comparison.contenders if one.iteration is None or one.mechanism in SERIES]
    if study.comparison.has_bound and CLAIRVOYANT not in contenders:
        contenders.append(CLAIRVOYANT)
    best = {name: _best(figures, contenders, name, better) for name, _, _, better in columns}
    rows: list[Row] = []
    for one in contenders:
        cells = []
        for name, _, unit, _ in columns:
            figure = figures.get((one, name), _NONE)
            bounds = interval(figure, unit) if name in _WITH_INTERVAL else ""
            is_best = best[name] is not None and figure.value == best[name] and _may_be_best(one)
            cells.append(Cell(number(figure.value, unit), bounds, is_best))
        starts = not rows or rows[-1].kind != one.mechanism
        rows.append(Row(name_of(one), one.mechanism, tuple(cells), starts))
    return ResultsTable(tuple(heading for _, heading, _, _ in columns), tuple(rows))


def markdown_table(study: Study) -> str:
    """The same table as Markdown, for the metadata of an asset."""
    table = results_table(study)
    lines = [
        "| " + " | ".join(["", *table.headings]) + " |",
        "| " + " | ".join(["---", *["---:" for _ in table.headings]]) + " |",
    ]
    for row in table.rows:
        cells = [f"**{cell.text}**" if cell.best else cell.text for cell in row.cells]
        with_bounds = [
            f"{text} ({cell.interval})" if cell.interval else text for text, cell in zip(cells, row.cells, strict=True)
        ]
        lines.append("| " + " | ".join([row.name, *with_bounds]) + " |")
    return "\n".join(lines)


def _may_be_best(one: Contender) -> bool:
    return one.mechanism not in ("oracle", "best_of_n", "clairvoyant")


def _best(
    figures: Mapping[tuple[Contender, str], Interval], contenders: Sequence[Contender], name: str, better: str
) -> float | None:
    values = [figures.get((one, name), _NONE).value for one in contenders if _may_be_best(one)]
    known = [value for value in values if value is not None]
    if not better or not known:
        return None
    return max(known) if better == "higher" else min(known)


def definitions() -> list[tuple[str, str]]:
    """What every column means, in the order of the table."""
    return [
        ("Revenue", "sum of bid × click per test query, from sampled clicks; the same for every mechanism."),
        ("× pretrained, × MOSAIC", "ratio of mean revenues over the same queries; MOSAIC at its best variant."),
        ("Reward", "sum of bid × true click probability, minus the penalty for ads shown and format errors (Eq. 5)."),
        (
            "Of the bound",
            f"{metric('clairvoyant_reward_share').label.lower()}: the best reward per query that the user "
            "model allows over ad sets and placements.",
        ),
        ("Payment", "what the mechanism charges: first price for LLM-Auction, Rochet payments for MOSAIC."),
        ("Ads, CTR, Words", "inserted ads per answer, clicks per inserted ad, length of the answer shown."),
        ("Format errors", "share of answers with at least one insertion that matches no candidate."),
        ("Generations", "answers generated to show one: what serving costs."),
    ]
