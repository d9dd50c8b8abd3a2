"""The report's section on objectives beyond clicks: what each gains of what it guards, and its price in revenue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llm_auction.evaluation.efficiency import Comparison
from llm_auction.evaluation.outcomes import Contender
from llm_auction.evaluation.quality_summary import QualityFigure
from llm_auction.profiles.arms import ARMS, is_ablation
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study

Figures = Mapping[Contender, Mapping[str, QualityFigure]]


@dataclass(frozen=True, slots=True)
class Term:
    """A column of `OBJECTIVE_SCHEMA` as people read it: its heading and unit."""

    name: str
    heading: str
    unit: str = ""


CONVERSIONS = Term("conversions", "Conversions")
INFIDELITY = Term("infidelity", "Infidelity", "%")
UNFAITHFUL = Term("unfaithful_ads", "Unfaithful ads", "%")
WORDS = Term("words", "Words", "tokens")
REPETITION = Term("repetition", "Repetition", "%")
DRIFT = Term("drift", "Drift, nats")
TERMS = (CONVERSIONS, INFIDELITY, UNFAITHFUL, WORDS, REPETITION, DRIFT)
# What each objective is about: the terms that it should move.
GUARDED = {
    "conversions": (CONVERSIONS,),
    "fidelity": (INFIDELITY, UNFAITHFUL),
    "quality_guard": (WORDS, REPETITION),
    "kl_budget": (DRIFT,),
}


def objectives_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """What arms with another objective gain and cost, and the terms of every mechanism, where they were measured."""
    if not study.pooled.objectives:
        return None
    *prices, terms = objective_tables(study)
    about_prices = (
        "Objective: the reward that the arm is trained for, with the users' own probabilities; LLM-Auction stands "
        "there under the arm's objective too. Revenue and reward are those of the profile, the same for everybody. "
        "Against LLM-Auction: paired over the same test queries, with its 95 % interval. "
    )
    return Section(
        title="Beyond clicks",
        intro="Arms trained for another objective than clicks: what they gain of it, and its price in revenue."
        if prices
        else "What the answers are worth besides clicks, of every mechanism that is trained for clicks alone. The arms "
        f"{', '.join(GUARDED)} would be trained for it.",
        plots=(),
        tables=(*prices, terms),
        note=f"{about_prices if prices else ''}Conversions: expected ones "
        "per answer. Infidelity: of what the text around an ad says, the share that the ad does not say of itself; "
        "unfaithful ads: those of which that is more than half. Repetition: word triples that stood in the answer "
        "before. Drift: log-probability at temperature 1 of an answer under the model less that under the pretrained "
        "one; the answers are drawn as they are served, so that the mean is not their KL. Ablations have their own "
        "section.",
    )


def objective_tables(study: Study) -> list[Table]:
    """One table an objective whose arm was evaluated, and one of all terms of all mechanisms but ablations."""
    pooled = _without_ablations(study.pooled.objectives)
    by_seed = {seed: _without_ablations(one.objectives) for seed, one in study.properties.items() if one.objectives}
    tables = []
    for arm, guarded in GUARDED.items():
        rows = list(_prices(arm, pooled, study.comparison))
        if rows:
            headings = ("Objective", "Revenue", "Reward", *(one.heading for one in guarded))
            changes = ", ".join(f"{path} = {value}" for path, value in ARMS[arm].items())
            headings = (*headings, "Revenue against LLM-Auction")
            alone = {seed: list(_prices(arm, found, study.comparisons[seed])) for seed, found in by_seed.items()}
            tables.append(Table.of(f"Objective {arm}: {changes}", headings, rows, alone))
    return [*tables, terms_table(pooled, by_seed)]


def terms_table(objectives: Figures, by_seed: Mapping[int, Figures] | None = None) -> Table:
    """Every term of every mechanism."""
    return Table.of(
        "What the objectives look at, for every mechanism",
        [one.heading for one in TERMS],
        _terms(objectives),
        {seed: _terms(found) for seed, found in (by_seed or {}).items()},
    )


def _without_ablations(objectives: Figures) -> Figures:
    return {one: found for one, found in objectives.items() if not is_ablation(one.mechanism)}


def _terms(objectives: Figures) -> list[Row]:
    return [(one, [_cell(found, term) for term in TERMS]) for one, found in objectives.items()]


def _prices(arm: str, figures: Figures, comparison: Comparison) -> Iterator[tuple[Contender, list[Cell]]]:
    """The arm at its last iteration below LLM-Auction at the same one, both under the arm's objective."""
    last = comparison.last(arm)
    if last is None or last not in figures:
        return
    base = Contender("llm_auction", last.iteration)
    for one in (base, last):
        if one not in comparison or one not in figures:
            continue
        cells = [Cell.of(figures[one][f"objective_{arm}"].mean)]
        cells += [Cell.of(comparison.interval(one, f"{name}_per_query")) for name in ("revenue", "reward")]
        cells += [_cell(figures[one], term) for term in GUARDED[arm]]
        paired = one == last and base in comparison
        cells.append(Cell.of(comparison.difference(one, base, "revenue_per_query")) if paired else Cell(""))
        yield one, cells


def _cell(figures: Mapping[str, QualityFigure], term: Term) -> Cell:
    return Cell.of(figures[term.name].mean, term.unit)
