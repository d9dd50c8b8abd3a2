"""What a reserve price does: the section, a Markdown table and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import polars as pl

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.metrics import metric
from llm_auction.evaluation.outcomes import CONTENDER_COLUMNS, Contender
from llm_auction.report.palette import PALETTE
from llm_auction.report.plot import Plot
from llm_auction.report.sections.section import Section
from llm_auction.report.sections.table import Cell, Row, Table
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of, number, with_interval

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 220, 190
_PANELS = ("revenue_per_query", "payment_per_query", "welfare_per_query")
_STYLES = {
    "llm_auction": ("llm-auction", "circle"),
    "mosaic": ("mosaic", "square"),
    "rag_auction": ("pretrained", "triangle-up"),
}


def reserve_prices_section(study: Study, drawn: Mapping[str, Plot]) -> Section | None:
    """Revenue, payments and welfare at every reserve price, where they were measured."""
    pooled = study.pooled.reserve
    if pooled is None:
        return None
    by_seed = {seed: one.reserve for seed, one in study.properties.items() if one.reserve is not None}
    names = ("revenue_per_query", "payment_per_query", "welfare_per_query", "utility_per_query")

    def rows(table: pl.DataFrame) -> Iterator[Row]:
        by = (*CONTENDER_COLUMNS, "reserve")
        for (*contender, reserve), part in best_settings(table).group_by(by, maintain_order=True):
            found = {row["metric"]: row for row in part.iter_rows(named=True)}
            change = [found["revenue_per_query"][key] for key in ("change", "change_low", "change_high")]
            cells = [Cell(number(found[name]["value"])) for name in names]
            none = Cell("")
            yield (
                f"{name_of(Contender(*contender))}, reserve {reserve:g}",
                [*cells, Cell.of(Interval(*change)) if reserve else none],
            )

    headings = ("Revenue", "Payment", "Welfare", "Utility", "Revenue against no reserve")
    return Section(
        title="Reserve prices",
        intro="A least price a click: ads that bid less are no candidates, and critical prices are floored.",
        plots=(),
        tables=(
            Table.of(
                "Reserve prices", headings, rows(pooled), {seed: list(rows(table)) for seed, table in by_seed.items()}
            ),
        ),
        note="Each mechanism at the setting that earns most without a reserve. Against no reserve: the paired "
        "difference over the same test queries, with its 95 % interval. No Ad-LLM was trained for these prices.",
    )


def reserve_markdown(table: pl.DataFrame) -> str:
    """Revenue, payment, welfare and utility a query of every contender and reserve; changes with 95 % intervals."""
    shown = (*_PANELS, "utility_per_query")
    lines = [
        "| | reserve | " + " | ".join(metric(name).label for name in shown) + " | change of revenue |",
        "| --- | ---: |" + " ---: |" * (len(shown) + 1),
    ]
    for keys, rows in table.group_by(*CONTENDER_COLUMNS, "reserve", maintain_order=True):
        *contender, reserve = keys
        by_name = {row["metric"]: row for row in rows.iter_rows(named=True)}
        gain = by_name["revenue_per_query"]
        change = with_interval(Interval(gain["change"], gain["change_low"], gain["change_high"])) if reserve else ""
        cells = [number(by_name[name]["value"]) for name in shown]
        lines.append(f"| {name_of(Contender(*contender))} | {reserve:g} | " + " | ".join(cells) + f" | {change} |")
    return "\n".join(lines)


def best_settings(table: pl.DataFrame) -> pl.DataFrame:
    """The rows of each mechanism's variant or iteration that earns most without a reserve."""
    earned = table.filter(metric="revenue_per_query", reserve=0.0).sort("value", descending=True)
    best = earned.unique("mechanism", keep="first").select(CONTENDER_COLUMNS)
    return table.join(best, on=CONTENDER_COLUMNS, how="semi", nulls_equal=True)


def reserve_chart(table: pl.DataFrame) -> alt.HConcatChart:
    """Three panels over the reserve price, one line a mechanism: the variant or iteration that earns most without."""
    import altair as alt

    points = best_settings(table).with_columns(
        name=pl.struct(CONTENDER_COLUMNS).map_elements(lambda row: name_of(Contender(**row)), return_dtype=pl.String)
    )
    names = dict(points.select("mechanism", "name").unique(maintain_order=True).iter_rows())
    styles = [_STYLES[mechanism] for mechanism in names]
    panels = []
    for panel in _PANELS:
        base = alt.Chart(points.filter(metric=panel)).encode(
            x=alt.X("reserve:Q", title="Reserve price a click"),
            color=alt.Color(
                "name:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=[PALETTE[colour] for colour, _ in styles]),
            ),
        )
        y = alt.Y("value:Q", title=f"{metric(panel).label}, 95 % interval", scale=alt.Scale(zero=True))
        shape = alt.Shape(
            "name:N",
            title=None,
            scale=alt.Scale(domain=list(names.values()), range=[sign for _, sign in styles]),
        )
        layers = [
            base.mark_rule(strokeWidth=1.5).encode(y="ci_low:Q", y2="ci_high:Q"),
            base.mark_line(strokeWidth=2).encode(y=y),
            base.mark_point(filled=True, size=60, opacity=1).encode(y=y, shape=shape),
        ]
        panels.append(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))
    return alt.hconcat(*panels)
