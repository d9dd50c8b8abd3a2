"""The plots of the report, as Altair charts: figures over iterations with intervals, and the reward model's quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from llm_auction.evaluation.bid_curves import at_common_bids
from llm_auction.evaluation.metrics import metric
from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.bid_plot import bid_chart, mean_curves
from llm_auction.report.cost_plot import cost_chart, cost_points
from llm_auction.report.drawing import specification
from llm_auction.report.palette import PALETTE, SERIES, SHAPES
from llm_auction.report.plot import Plot
from llm_auction.report.records import fits_frame
from llm_auction.report.sections.continuity import continuity_chart
from llm_auction.report.series import over_iterations, over_iterations_by_seed, references
from llm_auction.report.study import SeedRun, Study
from llm_auction.report.wording import NAMES, name_of, number

if TYPE_CHECKING:
    import altair as alt

# Drawn about as wide as a phone shows it, so that its text stays readable there.
WIDTH, HEIGHT = 330, 230
_LABEL_SHARE = 0.08  # of the axis: what the label of a reference takes
_ITERATION_METRICS = (
    "revenue_per_query",
    "reward_per_query",
    "format_error_rate",
    "ads_per_answer",
    "answer_words",
    "distinct_answer_share",
)


def plots(study: Study) -> list[Plot]:
    """Every plot that the study has figures for."""
    found = [plot for name in _ITERATION_METRICS if (plot := _iteration_plot(study, name)) is not None]
    costs = cost_points(study.comparison)
    if costs.height:
        found.append(_cost_plot(costs))
    fits = fits_frame(study).filter(pl.col("arm").is_in(list(SERIES)))
    if fits.filter(pl.col("metric") == "auc").height:
        found.append(_auc_plot(fits))
    if fits.filter(pl.col("metric") == "ece").height:
        found.append(_ece_plot(fits))
    curves = [run.bid_curves.with_columns(seed=pl.lit(run.seed)) for run in study.runs if run.bid_curves is not None]
    if curves:
        found.append(_bid_plot(study, at_common_bids(pl.concat(curves))))
    close_looks = [run for run in study.runs if run.continuity is not None]
    if close_looks:
        found.append(_continuity_plot(study, close_looks[0]))
    return found


def _cost_plot(points: pl.DataFrame) -> Plot:
    values = "; ".join(
        f"{name_of(Contender(row['mechanism'], None, row['variant']))}: {number(row['revenue'])} at "
        f"{number(row['tokens'], 'tokens')} tokens"
        for row in points.iter_rows(named=True)
    )
    note = (
        "Every setting of a mechanism, trained ones at their last iteration; tokens of all answers drawn to show one. "
        "Arms beside LLM-Auction and Oracle answer once as these do, and stand in the table."
    )
    return Plot("cost_revenue", "Revenue against cost", note, f"{note} {values}.", specification(cost_chart(points)))


def _bid_plot(study: Study, curves: pl.DataFrame) -> Plot:
    best = study.comparison.best("mosaic", "revenue_per_query")
    beside = [*([best] if best else []), Contender("rag_auction", None, "k=1")]
    means = mean_curves(curves, beside)
    values = "; ".join(
        f"{name_of(one)}, bid {row['bid']}: {row['itctr']:.1%}"
        for one, points in means.items()
        for row in (points.row(0, named=True), points.row(-1, named=True))
    )
    note = (
        "How often one random ad of a query is shown and clicked while its bid climbs and all else stays. Band: 95 % "
        "intervals of single points over queries, last model."
    )
    setting = {best: " (the setting that earns most)"}
    dashed = [f"{name_of(one)}{setting.get(one, '')}" for one in beside if one in means]
    if dashed:
        note += f" Dashed: {'; '.join(dashed)}."
    chart = bid_chart(curves, study.resamples, study.seeds[0], beside, study.questions.drawn_as)
    return Plot("bid_curve", "Clicks over the bid", note, f"{note} {values}.", specification(chart))


def _continuity_plot(study: Study, run: SeedRun) -> Plot:
    """Of one seed alone: every seed looks at a query of its own."""
    assert run.continuity is not None
    values = "; ".join(
        f"{name_of(one)}: largest jump {number(found.jump.share.value, '%')} of its range"
        for one, found in study.properties[run.seed].continuity.items()
    )
    note = "One ad of one query, its bid raised step by step. Band: 95 % intervals of single points, last iteration."
    if len(study.runs) > 1:
        note += f" Seed {run.seed}."
    chart = continuity_chart(run.continuity, study.resamples, run.seed)
    return Plot("bid_continuity", "Continuity", note, f"{note} {values}.", specification(chart))


def _iteration_plot(study: Study, name: str) -> Plot | None:
    points = over_iterations(study, name)
    if points.is_empty():
        return None
    one = metric(name)
    unit = "" if one.unit in ("", "%") else f", {one.unit}"
    rules = references(study, name)
    thin = over_iterations_by_seed(study, name)
    last = points.filter(pl.col("iteration") == points["iteration"].max())
    drawing = _frame(
        [*_rule_layers(rules), *_seed_layers(thin), *_point_layers(points)],
        points,
        one.unit,
    )
    ends = "; ".join(
        f"{NAMES.get(row['arm'], row['arm'])} {row['value']:.3g} at iteration {row['iteration']}"
        for row in last.iter_rows(named=True)
    )
    beside = "; ".join(f"{row['label']} {row['value']:.3g}" for row in rules.iter_rows(named=True))
    summary = f"{one.label} over iterations. {ends}. References: {beside}."
    return Plot(name, f"{one.label}{unit}", "", summary, drawing, _legend(points))


def _auc_plot(fits: pl.DataFrame) -> Plot:
    import altair as alt

    found = _mean_over_seeds(fits, "auc")
    bayes = _mean_over_seeds(fits, "bayes_auc")
    layers = _point_layers(found)
    if bayes.height:
        layers.insert(
            0,
            alt.Chart(bayes)
            .mark_line(strokeDash=[4, 3], strokeWidth=1.5)
            .encode(x=_iteration_axis(found), y="value:Q", color=_colour(found), detail="arm:N"),
        )
    summary = "; ".join(
        f"{NAMES.get(row['arm'], row['arm'])}, iteration {row['iteration']}: {row['value']:.3f}"
        for row in found.iter_rows(named=True)
    )
    note = "AUC on the newest feedback of held-out users. Dashed: the true click probabilities, the best on average."
    drawing = _frame(layers, found, "", zero=False)
    return Plot("pctr_auc", "pCTR: AUC", note, f"AUC of the reward model. {summary}.", drawing, _legend(found))


def _ece_plot(fits: pl.DataFrame) -> Plot:
    found = _mean_over_seeds(fits, "ece")
    drawing = _frame(_point_layers(found), found, "")
    note = (
        "How far predicted and observed click rates lie apart, averaged over bins of the prediction. Lower is better."
    )
    values = "; ".join(
        f"{NAMES.get(row['arm'], row['arm'])}, iteration {row['iteration']}: {row['value']:.3f}"
        for row in found.iter_rows(named=True)
    )
    return Plot("pctr_ece", "pCTR: calibration error", note, f"Calibration error. {values}.", drawing, _legend(found))


def _legend(points: pl.DataFrame) -> str:
    signs = {"circle": "●", "diamond": "◆", "square": "■"}
    arms = points["arm"].unique(maintain_order=True).to_list()
    return "   ".join(f"{signs[SHAPES.get(arm, 'square')]} {NAMES.get(arm, arm)}" for arm in arms)


def _mean_over_seeds(fits: pl.DataFrame, name: str) -> pl.DataFrame:
    return (
        fits.filter(pl.col("metric") == name)
        .group_by("arm", "iteration")
        .agg(pl.col("value").mean())
        .sort("arm", "iteration")
    )


def _frame(layers: list[alt.Chart], points: pl.DataFrame, unit: str, zero: bool = True) -> dict[str, Any]:
    """Lay the layers over one another, with shared axes; the title stands above the plot, not along its axis."""
    import altair as alt

    axis = alt.Axis(format=_tick_format(points, unit), title=None, tickCount=5)
    # The axis is set on an invisible layer, so that every other layer only names its field.
    scale = alt.Scale(zero=zero, nice=True, padding=0 if zero else 6)
    invisible = alt.Chart(points).mark_point(opacity=0, size=0)
    base = invisible.encode(x=_iteration_axis(points), y=alt.Y("value:Q", axis=axis, scale=scale))
    return specification(alt.layer(base, *layers).properties(width=WIDTH, height=HEIGHT))


def _tick_format(points: pl.DataFrame, unit: str) -> str:
    # Spelt out, because the renderer's default turns 70 into 7e+1 when it rounds to the step of the axis.
    if unit == "%":
        return ".0%"
    largest = max(abs(value) for value in points["value"].to_list())
    return ",.0f" if largest >= 10 else ",.1f" if largest >= 2 else ".2f"


def _iteration_axis(points: pl.DataFrame) -> alt.X:
    import altair as alt

    iterations = points["iteration"].to_list()
    low, high = min(iterations), max(iterations)
    axis = alt.Axis(values=list(range(low, high + 1)), format="d", grid=False, title="Iteration")
    return alt.X("iteration:Q", axis=axis, scale=alt.Scale(domain=[low - 0.15, high + 0.15], nice=False))


def _colour(points: pl.DataFrame) -> alt.Color:
    import altair as alt

    arms = points["arm"].unique(maintain_order=True).to_list()
    colours = [PALETTE[SERIES.get(arm, "ink")] for arm in arms]
    return alt.Color("arm:N", scale=alt.Scale(domain=arms, range=colours), legend=None)


def _point_layers(points: pl.DataFrame) -> list[alt.Chart]:
    import altair as alt

    arms = points["arm"].unique(maintain_order=True).to_list()
    shape = alt.Shape(
        "arm:N", legend=None, scale=alt.Scale(domain=arms, range=[SHAPES.get(arm, "square") for arm in arms])
    )
    # Arms stand a little apart, so that their error bars don't cover each other.
    offset = {arm: 0.05 * (index - (len(arms) - 1) / 2) for index, arm in enumerate(arms)}
    shifted = points.with_columns(pl.col("iteration") + pl.col("arm").replace_strict(offset, return_dtype=pl.Float64))
    base = alt.Chart(shifted).encode(x=_iteration_axis(points), y="value:Q", color=_colour(points))
    layers = [base.mark_line(strokeWidth=2)]
    if "ci_low" in points.columns:
        layers.append(base.mark_rule(strokeWidth=1.5).encode(y="ci_low:Q", y2="ci_high:Q"))
    layers.append(base.mark_point(filled=True, size=60, opacity=1).encode(shape=shape))
    return layers


def _seed_layers(thin: pl.DataFrame) -> list[alt.Chart]:
    import altair as alt

    if thin.is_empty():
        return []
    return [
        alt.Chart(thin)
        .mark_line(strokeWidth=1, opacity=0.35)
        .encode(x=_iteration_axis(thin), y="value:Q", color=_colour(thin), detail="seed:N")
    ]


def _rule_layers(rules: pl.DataFrame) -> list[alt.Chart]:
    """Dashed references; labels at the left, where lines have not risen yet; the pretrained model's at the right.

    A label stands above its rule, and below it where the label of a rule right above leaves no room.
    """
    import altair as alt

    layers = []
    labelled: float | None = None  # the rule at the left that has a label above it
    for row in rules.sort("value", descending=True).iter_rows(named=True):
        colour = PALETTE[row["name"]]
        one = alt.Chart(pl.DataFrame([row]))
        layers.append(
            one.mark_rule(
                strokeDash=[2, 3] if row["name"] == "pretrained" else [6, 3], strokeWidth=1.5, color=colour
            ).encode(y="value:Q")
        )
        at_right = row["name"] == "pretrained"
        crowded = not at_right and labelled is not None and labelled - row["value"] < _LABEL_SHARE * labelled
        labelled = labelled if at_right or crowded else row["value"]
        layers.append(
            one.mark_text(
                align="right" if at_right else "left",
                baseline="top" if crowded else "bottom",
                dy=3 if crowded else -3,
                fontSize=11,
                color=colour,
                fontWeight=600,
            ).encode(x=alt.value(WIDTH - 4 if at_right else 4), y="value:Q", text="label:N")
        )
    return layers
