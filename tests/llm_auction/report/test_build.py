"""The written report: one self-contained page, records for machines, plots."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from llm_auction.market import Query
from llm_auction.report.build import ReportFiles, build_report
from llm_auction.report.page import unbroken, with_code
from llm_auction.report.study import SeedRun
from llm_auction.report.verdict import findings
from llm_auction.report.wording import number
from tests.synthetic_study import FINAL, synthetic_run

CREATED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# Nothing but outcomes: neither fits nor properties.
BARE: dict[str, object] = {"fits": (), "bid_curves": None, "continuity": None, "incentives": None, "quality": None}
ATTACK = '<script>alert(1)</script><img src="https://example.com/x">'


def two_runs() -> list[SeedRun]:
    """Two seeds, with hostile text as the queries of the first."""
    first, second = (synthetic_run(seed, queries=12) for seed in (0, 1))
    hostile = {key: Query(key, query.user_id, ATTACK) for key, query in first.queries.items()}
    return [replace(first, queries=hostile), second]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return build_report(two_runs(), tmp_path_factory.mktemp("report"), 200, CREATED, {"Versions": "test"})


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_page_needs_nothing_from_outside(report: ReportFiles) -> None:
    html = report.html.read_text(encoding="utf-8")
    parser = _Tags()
    parser.feed(html)
    names = {tag for tag, _ in parser.tags}
    assert not names & {"script", "link", "iframe", "img", "object", "base", "form"}
    for _, attributes in parser.tags:
        assert not {"src", "srcset", "href", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in html and "default-src 'none'" in html
    assert [url for url in re.findall(r"url\(([^)]*)\)", html) if not url.startswith("#")] == []


def test_text_of_users_and_models_is_escaped(report: ReportFiles) -> None:
    html = report.html.read_text(encoding="utf-8")
    assert ATTACK not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_commands_are_code_and_still_escaped() -> None:
    assert with_code("`llm-auction run` <b>") == "<code>llm-auction run</code> &lt;b&gt;"
    assert with_code("one ` alone, `<i>`") == "one <code> alone, </code>&lt;i&gt;`"


def test_figures_are_not_broken_from_what_they_belong_to() -> None:
    assert unbroken("LLM-Auction, iteration 3") == "LLM-Auction, iteration\u00a03"
    assert unbroken("MOSAIC, τ = 10") == "MOSAIC, τ\u00a0=\u00a010"
    assert unbroken("× pretrained") == "×\u00a0pretrained"


def test_drawings_share_no_ids(report: ReportFiles) -> None:
    html = report.html.read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)
    assert html.count("<svg ") == len(report.plots) == 11


def test_colours_of_drawings_follow_the_page(report: ReportFiles) -> None:
    assert "var(--chart-llm-auction, #0a5fc2)" in report.html.read_text(encoding="utf-8")


def test_plots_are_png_files(report: ReportFiles) -> None:
    assert {"revenue_per_query", "reward_per_query", "pctr_auc"} <= set(report.pngs)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in report.pngs.values())


def test_no_half_written_files_stay_behind(report: ReportFiles) -> None:
    names = {path.name for path in report.html.parent.iterdir()}
    assert names == {"report.html", "results.json", "tables", *(f"{name}.png" for name in report.pngs)}


def test_tables_hold_the_same_figures_as_csv_and_parquet(report: ReportFiles) -> None:
    records = json.loads(report.results.read_text(encoding="utf-8"))
    assert set(report.tables) == {record["table"] for record in records}
    rows = 0
    for csv, parquet in report.tables.values():
        frame, plain = pl.read_parquet(parquet), pl.read_csv(csv, infer_schema=False)
        assert plain.columns == frame.columns and plain.height == frame.height
        assert plain["value"].null_count() == frame["value"].null_count()
        rows += frame.height
    assert rows == len(records)
    pooled = pl.read_parquet(report.tables["mechanism_outcomes"][1]).filter(pl.col("seed").is_null())
    assert pooled["seeds"].to_list()[0] == [0, 1]


def test_every_figure_says_where_it_comes_from(report: ReportFiles) -> None:
    html = report.html.read_text(encoding="utf-8")
    assert "mechanism_outcomes[pretrained]" in html and html.count("run-pretrained") == 2


def test_records(report: ReportFiles) -> None:
    records = json.loads(report.results.read_text(encoding="utf-8"))
    keys = "profile seed seeds mechanism arm iteration variant metric value ci_low ci_high n run table runs".split()
    assert all(list(record) == keys for record in records)

    def find(**wanted: object) -> list[dict]:
        return [one for one in records if all(one[key] == value for key, value in wanted.items())]

    revenue = find(mechanism="llm_auction", iteration="03", metric="revenue_per_query")
    assert [(one["seed"], one["n"]) for one in revenue] == [(0, 12), (1, 12), (None, 24)]
    assert revenue[2]["seeds"] == [0, 1]
    assert revenue[2]["value"] == pytest.approx((revenue[0]["value"] + revenue[1]["value"]) / 2)
    assert all(one["ci_low"] <= one["value"] <= one["ci_high"] for one in revenue)
    assert find(seed=0, mechanism="pretrained", metric="generations_per_query")[0]["run"] == "run-pretrained"
    auc = find(seed=1, arm="oracle", iteration="02", metric="pctr_auc")[0]
    assert (auc["table"], auc["n"], auc["ci_low"]) == ("pctr_model", 1200, None)
    falls = find(mechanism="pretrained", metric="bid_violation_share")
    assert [one["seed"] for one in falls] == [0, 1, None]
    assert falls[2]["value"] == pytest.approx((falls[0]["value"] + falls[1]["value"]) / 2)
    assert falls[2]["n"] == 24 and falls[2]["ci_high"] - falls[2]["ci_low"] < falls[0]["ci_high"] - falls[0]["ci_low"]
    assert find(mechanism="pretrained", metric="ctr", seed=None)[0]["runs"] == ["run-pretrained", "run-pretrained"]
    slot = find(seed=0, mechanism="slot_auction", metric="largest_jump_share")[0]
    assert (slot["value"], slot["table"], slot["run"]) == (1.0, "bid_continuity", None)
    disclosure = find(seed=0, mechanism="pretrained", metric="quality_disclosure")[0]
    assert (disclosure["value"], disclosure["table"]) == (0.0, "answer_quality")
    gain = find(seed=1, mechanism="mosaic", variant="tau=10", metric="misreport_gain")[0]
    assert (gain["value"], gain["n"], gain["table"]) == (3e-14, 20, "incentive_report")
    assert find(seed=0, mechanism="llm_auction", iteration="03", metric="value_regret[target_roi=1.5]")
    ahead = find(seed=None, mechanism="oracle", iteration="03", metric="reward_gain_over_llm_auction")[0]
    claim = next(one for one in findings(report.study) if one.claim.startswith("The Oracle"))
    assert f"paired difference {number(ahead['value'])} (" in claim.evidence
    errors = find(seed=0, arm="llm_auction", iteration="03", metric="format_error_rate_change_from_pretrained")[0]
    assert (errors["table"], errors["n"]) == ("mechanism_outcomes", 12) and errors["value"] < 0 < 1 + errors["ci_low"]
    assert find(seed=1, arm="oracle", iteration="02", metric="pctr_auc_before_refit")[0]["value"] < auc["value"]


def test_figures_are_reproducible(report: ReportFiles, tmp_path: Path) -> None:
    again = build_report([*reversed(two_runs())], tmp_path / "deep" / "er", 200, CREATED)
    assert again.results.read_text() == report.results.read_text()


def test_properties_have_their_sections(report: ReportFiles, tmp_path: Path) -> None:
    html = report.html.read_text(encoding="utf-8")
    titles = ["Bids and clicks", "Continuity", "Incentives", "Answer quality"]
    assert [one for one in re.findall(r"<h2>([^<]*)</h2>", html) if one in titles] == titles
    assert "Slot auction" in html and "seed 0" in html.lower()
    run = replace(synthetic_run(0, 6), **BARE)
    bare = build_report([run], tmp_path, 100, CREATED).html.read_text(encoding="utf-8")
    assert not [one for one in titles if f"<h2>{one}</h2>" in bare]


def test_baselines_alone_make_a_report(tmp_path: Path) -> None:
    """Before anything is trained, and without fits: fewer parts, the same page."""
    run = synthetic_run(0, 8)
    run = replace(
        run,
        outcomes=run.outcomes.filter(run.outcomes["iteration"].is_null()),
        fits=(),
        bid_curves=None,
        continuity=None,
    )
    files = build_report([run], tmp_path, 100, CREATED)
    html = files.html.read_text(encoding="utf-8")
    assert "has not been evaluated yet" in html and "Answers before and after" not in html
    assert FINAL not in files.study.comparison and set(files.pngs) == {"cost_revenue"}


def test_no_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="materialize mechanism_outcomes"):
        build_report([], tmp_path, 100, CREATED)


def test_answers_without_any_ad_make_a_report(tmp_path: Path) -> None:
    """An untrained model may insert nothing: no revenue, no click-through rate, no ratio, and still a page."""
    run = synthetic_run(0, 6)
    silent = run.outcomes.with_columns(
        answer=pl.lit("No ad here."),
        inserted_ad_ids=pl.lit([], pl.List(pl.String)),
        click_probabilities=pl.lit([], pl.List(pl.Float64)),
        clicks=pl.lit([], pl.List(pl.Boolean)),
        **{name: pl.lit(0.0) for name in ("revenue", "expected_revenue", "reward", "penalty", "payment")},
        **{name: pl.lit(0, pl.Int64) for name in ("n_ads", "format_errors")},
    )
    files = build_report([replace(run, outcomes=silent, **BARE)], tmp_path, 100, CREATED)
    records = json.loads(files.results.read_text(encoding="utf-8"))
    assert {one["value"] for one in records if one["metric"] == "ctr"} == {None}
    html = files.html.read_text(encoding="utf-8")
    assert "earns 0.00 a query" in html and "nan" not in html.lower().replace("nanos", "")
