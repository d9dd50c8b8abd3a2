"""The ablation of the reward model as a Markdown table and a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import altair as alt

FIGURES = ("auc", "log_loss", "ece", "ece_noise", "bayes_auc", "bayes_log_loss")
_WIDTH, _HEIGHT = 330, 230


def ablation_markdown(table: pl.DataFrame) -> str:
    """One row an iteration and model, columns as in `ABLATION_SCHEMA`; the best AUC of an iteration is bold."""
    lines = [
        "| iteration | model | AUC | log loss | ECE (of noise alone) | impressions |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for (iteration,), rows in table.group_by("iteration", maintain_order=True):
        best = max(rows["auc"].drop_nulls().to_list(), default=None)
        for row in rows.iter_rows(named=True):
            auc = f"**{_text(best)}**" if best is not None and row["auc"] == best else _text(row["auc"])
            ece = f"{_text(row['ece'])} ({_text(row['ece_noise'])})"
            lines.append(
                f"| {iteration} | {model_name(row['reads_answer'], row['refreshed'])} | "
                f"{auc} | {_text(row['log_loss'])} | "
                f"{ece} | {row['n']} |"
            )
    return "\n".join(lines)


def ablation_chart(table: pl.DataFrame) -> alt.LayerChart:
    """AUC over the iterations, a line a model; dashed: the users' own click probabilities, where they are known."""
    import altair as alt

    points = table.with_columns(
        pl.col("iteration").cast(pl.Int64),
        pl.struct("reads_answer", "refreshed")
        .map_elements(lambda row: model_name(row["reads_answer"], row["refreshed"]), return_dtype=pl.String)
        .alias("model"),
    )
    x = alt.X("iteration:Q", title="iteration", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y("auc:Q", title="AUC on held-out users", scale=alt.Scale(zero=False))
    lines = (
        alt.Chart(points)
        .mark_line(point=True)
        .encode(x=x, y=y, color=alt.Color("model:N", title=None), shape=alt.Shape("model:N", title=None))
    )
    bayes = (
        alt.Chart(points.unique("iteration").filter(pl.col("bayes_auc").is_not_null()))
        .mark_line(strokeDash=[4, 3], color="#777777")
        .encode(x=x, y="bayes_auc:Q")
    )
    return alt.layer(bayes, lines).properties(width=_WIDTH, height=_HEIGHT)


def model_name(reads_answer: bool, refreshed: bool) -> str:
    """One of the four models in words."""
    return f"{'with' if reads_answer else 'without'} the answer, {'refreshed' if refreshed else 'fitted once'}"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
