"""The HTML page. All text of ads, users and models is untrusted: the template escapes everything by itself.

The page forbids scripts and every request by its content security policy, so that it reads the same offline and could
not be turned against its reader by a catalog.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files

from markupsafe import Markup, escape

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.evaluation.efficiency import PRETRAINED
from llm_auction.report.drawing import inline_svg
from llm_auction.report.examples import examples
from llm_auction.report.palette import SERIES
from llm_auction.report.plot import Plot
from llm_auction.report.results_table import definitions, results_table
from llm_auction.report.sections import sections_of
from llm_auction.report.study import Study
from llm_auction.report.verdict import caveats, findings, headline
from llm_auction.report.wording import interval, name_of, number

POOLING = (
    "queries are nested in seeds: mechanisms are resampled within each seed, property checks are the mean of the "
    "seeds' figures with the root of their summed squared errors (MOVER); seeds are held fixed"
)


def render_page(
    study: Study, plots: Sequence[Plot], created: datetime, facts: Mapping[str, str], failed: Sequence[str] = ()
) -> str:
    """The report as one HTML document without any external part; `failed` as in `build_report`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("llm_auction.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["interval"] = interval
    environment.filters["unbroken"] = unbroken
    environment.filters["with_code"] = with_code
    style = (files("llm_auction.report") / "templates" / "report.css").read_text(encoding="utf-8")
    drawn = {plot.name: inline_svg(plot.drawing, plot.name) for plot in plots}
    final = study.comparison.last("llm_auction")
    return environment.get_template("report.html.j2").render(
        style=Markup(style),
        profile=study.profile,
        seeds=study.seeds,
        queries=study.comparison.queries,
        created=created,
        headline=headline(study),
        findings=findings(study),
        caveats=caveats(study),
        failed=failed,
        tiles=_tiles(study),
        table=results_table(study),
        definitions=definitions(),
        iteration_plots=[plot for plot in plots if not plot.name.startswith(("pctr_", "bid_", "cost_"))],
        sections=sections_of(study, plots),
        reward_model_plots=[plot for plot in plots if plot.name.startswith("pctr_")],
        drawn=drawn,
        arms=[arm for arm in SERIES if study.comparison.last(arm) is not None],
        fits=[(run.seed, fit) for run in study.runs for fit in run.fits],
        examples=examples(study),
        final_name=name_of(final) if final else "",
        facts=_facts(study, facts),
        sources=_sources(study),
    )


def unbroken(text: str) -> str:
    """Keep on one line: intervals such as `1.20–1.35` with the "95 % CI" before them, `iteration 3`, `τ = 10`."""
    joined = re.sub(r"(?<=\d)–(?=\d)", "\u2060–\u2060", text)
    joined = joined.replace("% CI ", "%\u00a0CI\u00a0").replace(" to −", "\u00a0to\u00a0−")
    return re.sub(r"(?<=\biteration) (?=\d)|(?<=τ) (?==)|(?<=τ =) |(?<=^×) ", "\u00a0", joined)


def with_code(text: str) -> Markup:
    """What stands between backticks, such as a command, as code; all of it escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _tiles(study: Study) -> list[tuple[str, str, str]]:
    """The figures one wants first: (label, figure, interval)."""
    comparison, final = study.comparison, study.comparison.last("llm_auction")
    if final is None:
        return []
    tiles: list[tuple[str, Interval, str]] = [
        ("Revenue per query", comparison.interval(final, "revenue_per_query"), ""),
    ]
    if PRETRAINED in comparison:
        tiles.append(("times pretrained revenue", comparison.ratio(final, PRETRAINED, "revenue_per_query"), ""))
    best = comparison.best("mosaic", "revenue_per_query")
    if best is not None:
        tiles.append(("times best MOSAIC revenue", comparison.ratio(final, best, "revenue_per_query"), ""))
    tiles.append(("of the clairvoyant reward", comparison.interval(final, "clairvoyant_reward_share"), "%"))
    return [(label, number(figure.value, unit), interval(figure, unit)) for label, figure, unit in tiles]


def _sources(study: Study) -> list[tuple[str, list[str]]]:
    """The tables behind the figures, as partitions of the lake, with the run of every seed that made each."""
    names = dict.fromkeys(name for run in study.runs for name in run.runs)
    tables = {name: f"mechanism_outcomes[{name}]" if _is_mechanism(study, name) else name for name in names}
    return [(tables[name], [run.runs.get(name, "") for run in study.runs]) for name in names]


def _is_mechanism(study: Study, name: str) -> bool:
    return any(one.mechanism == name for one in (*study.comparison.contenders, *study.left_out))


def _facts(study: Study, facts: Mapping[str, str]) -> list[tuple[str, str]]:
    seeds = ", ".join(map(str, study.seeds))
    first = study.comparison.contenders[0]
    return [
        ("Profile", study.profile),
        ("Seeds" if len(study.seeds) > 1 else "Seed", seeds),
        ("Test queries", f"{study.comparison.queries}, of users unseen in training{_unjudged(study)}"),
        ("Answers", f"{study.comparison.answers[first]} of the pretrained model, as many of every iteration"),
        ("Intervals", "95 %, percentile bootstrap over test queries, paired across mechanisms"),
        *([("Pooling", POOLING)] if len(study.seeds) > 1 else []),
        *facts.items(),
    ]


def _unjudged(study: Study) -> str:
    left_out = study.comparison.unjudged_queries
    return f"; {left_out} more left out, of which the User-LLM judged no answer of some mechanism" if left_out else ""
