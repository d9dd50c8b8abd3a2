"""The report's sections on what serving costs, who gains by it, and what the ablations cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.efficiency import Comparison
from llm_auction.evaluation.metrics import metric
from llm_auction.evaluation.outcomes import CONTENDER_COLUMNS, Contender
from llm_auction.pctr.ablation_summary import model_name
from llm_auction.profiles.arms import ARMS
from llm_auction.report.charts import Plot
from llm_auction.report.cost_plot import shown_contenders
from llm_auction.report.palette import SERIES
from llm_auction.report.property_sections import PropertySection
from llm_auction.report.property_table import PropertyCell, PropertyTable, property_table
from llm_auction.report.reserve_plot import best_settings
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of, number, precise

_COST = (
    ("generations_per_query", "Generations"),
    ("tokens_per_query", "Tokens"),
    ("seconds_per_query", "Seconds"),
)
_SHARES = (
    ("revenue_per_query", "Revenue"),
    ("payment_per_query", "Payment"),
    ("welfare_per_query", "Welfare"),
    ("utility_per_query", "Utility"),
    ("ads_per_answer", "Ads"),
    ("no_ad_share", "No ad"),
    ("flooding_rate", "Flooded"),
)


def economics_sections(study: Study, plots: Iterable[Plot]) -> list[PropertySection]:
    """Cost and welfare of every mechanism, and the ablations where arms of that kind were evaluated."""
    drawn = {plot.name: plot for plot in plots}
    comparison = study.comparison
    found = [_cost(comparison, (drawn["cost_revenue"],) if "cost_revenue" in drawn else ())]
    ablations = [one for one in shown_contenders(comparison) if one.mechanism in ARMS and one.mechanism not in SERIES]
    if ablations:
        found.append(_ablations(comparison, ablations))
    reserves = {run.seed: run.reserve for run in study.runs if run.reserve is not None}
    if reserves:
        found.append(_reserve(reserves))
    models = {run.seed: run.reward_model for run in study.runs if run.reward_model is not None}
    if models:
        found.append(_reward_model(models))
    return found


def _cost(comparison: Comparison, plots: tuple[Plot, ...]) -> PropertySection:
    columns = (*_COST, *_SHARES)
    rows = tuple(
        (
            name_of(one),
            tuple(PropertyCell(number(comparison.interval(one, name).value, metric(name).unit)) for name, _ in columns),
        )
        for one in shown_contenders(comparison)
    )
    return PropertySection(
        title="What it costs, and who gains",
        intro="Search at serving time buys revenue with generations; a trained model answers once. What advertisers "
        "pay, what the clicks are worth to them, and what users see beside it.",
        plots=plots,
        tables=(PropertyTable("Cost and welfare", ("Mechanism", *(heading for _, heading in columns)), rows),),
        note="Per test query. Seconds: wall time of serving in batches, without loading the model and without judging; "
        "compare what one run measured on one machine. Payment: what the mechanism charges in expectation. Welfare: "
        "value x click probability, with the value that bidding.target_roi makes of a bid; utility: what is left of it "
        "after paying. Flooded: answers with ads of which none can be clicked any more.",
    )


def _ablations(comparison: Comparison, ablations: list[Contender]) -> PropertySection:
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
        cells = (PropertyCell(changes), *(PropertyCell.of(one) for pair in pairs for one in pair))
        rows.append((name_of(one), cells))
    headings = ("Arm", "What differs", "Revenue", "against LLM-Auction", "Reward", "against LLM-Auction")
    return PropertySection(
        title="Ablations",
        intro="Arms that train with one thing changed, on feedback of their own, judged like everybody else.",
        plots=(),
        tables=(PropertyTable("Ablations", headings, tuple(rows)),),
        note="Against LLM-Auction: the paired difference to the same iteration over the same test queries, with its "
        "95 % interval. The intervals don't contain the luck of training, which only several seeds show.",
    )


def _reserve(tables: Mapping[int, pl.DataFrame]) -> PropertySection:
    names = ("revenue_per_query", "payment_per_query", "welfare_per_query", "utility_per_query")

    def rows(table: pl.DataFrame) -> Iterator[tuple[str, list[PropertyCell]]]:
        by = (*CONTENDER_COLUMNS, "reserve")
        for (*contender, reserve), part in best_settings(table).group_by(by, maintain_order=True):
            found = {row["metric"]: row for row in part.iter_rows(named=True)}
            change = [found["revenue_per_query"][key] for key in ("change", "change_low", "change_high")]
            cells = [PropertyCell(number(found[name]["value"])) for name in names]
            none = PropertyCell("")
            yield (
                f"{name_of(Contender(*contender))}, reserve {reserve:g}",
                [*cells, PropertyCell.of(Interval(*change)) if reserve else none],
            )

    headings = ("Revenue", "Payment", "Welfare", "Utility", "Revenue against no reserve")
    return PropertySection(
        title="Reserve prices",
        intro="A least price a click: ads that bid less are no candidates, and critical prices are floored.",
        plots=(),
        tables=(property_table("Reserve prices", headings, {seed: rows(table) for seed, table in tables.items()}),),
        note="Each mechanism at the setting that earns most without a reserve. Against no reserve: the paired "
        "difference over the same test queries, with its 95 % interval. No Ad-LLM was trained for these prices.",
    )


def _reward_model(tables: Mapping[int, pl.DataFrame]) -> PropertySection:
    def rows(table: pl.DataFrame) -> Iterator[tuple[str, list[PropertyCell]]]:
        for row in table.iter_rows(named=True):
            name = f"Iteration {int(row['iteration'])}, {model_name(row['reads_answer'], row['refreshed'])}"
            figures = ("auc", "bayes_auc", "log_loss", "ece", "ece_noise")
            yield name, [*(PropertyCell(precise(row[figure])) for figure in figures), PropertyCell(str(row["n"]))]

    headings = ("AUC", "Bayes AUC", "Log loss", "ECE", "ECE of noise alone", "Impressions")
    return PropertySection(
        title="What the reward model owes to the answer and to refits",
        intro="Four reward models of the same feedback, judged at every iteration on the same held-out users.",
        plots=(),
        tables=(property_table("Reward models", headings, {seed: rows(table) for seed, table in tables.items()}),),
        note="Fitted once: on the first iteration. Refreshed: on all feedback up to this one. Bayes: the users' own "
        "click probabilities, which no model can beat on average.",
    )
