"""The market assets in Dagster: tables, metadata, checks that bite, and clear failures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from dagster import AssetCheckSeverity, ExecuteInProcessResult, load_asset_checks_from_modules, materialize

from assets import market, market_checks
from llm_auction.catalog import CatalogError
from llm_auction.population import QueryFileError
from resources.lake import Lake
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

ASSETS = [market.ad_catalog, market.users_and_queries, market.ad_candidates]
SMALL = {"population.profiles": "10", "population.queries_per_profile": "3"}


def run(lake: Lake, overrides: dict[str, str], assets: list = ASSETS, **options: bool) -> ExecuteInProcessResult:
    return materialize(
        [*assets, *load_asset_checks_from_modules([market_checks])],
        resources={
            "lake": lake,
            "profile": (profile := ProfileResource(profile="smoke", overrides=overrides)),
            "user_model": UserModelResource(profile=profile, data_dir=lake.data_dir),
        },
        selection=assets,
        **options,
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(data_dir=str(tmp_path / "data"))


@pytest.fixture(scope="module")
def default_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a small default market, for tests that copy and damage it."""
    folder = tmp_path_factory.mktemp("market")
    run(Lake(data_dir=str(folder)), SMALL)
    return folder


@pytest.fixture
def filled(default_market: Path, lake: Lake) -> Lake:
    shutil.copytree(default_market, lake.data_dir)
    return lake


def test_the_default_market(lake: Lake) -> None:
    result = run(lake, SMALL)
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert {evaluation.check_name for evaluation in evaluations if evaluation.passed} == {
        "ad_ids_are_unique",
        "titles_are_writable",
        "catalog_covers_categories",
        "split_shares_no_user",
        "queries_have_candidates",
    }
    heights = {
        table: lake.read(table).height for table in ("ad_catalog", "user_profiles", "user_queries", "ad_candidates")
    }
    assert heights == {"ad_catalog": 100, "user_profiles": 10, "user_queries": 30, "ad_candidates": 30}
    assert lake.read("rejected_ads").columns == ["source", "row", "ad_id", "field", "reason", "raw"]
    assert lake.read("rejected_queries").columns == ["source", "row", "query_id", "field", "reason", "raw"]
    candidates = lake.read("ad_candidates")
    assert candidates.schema == market.CANDIDATES_SCHEMA
    assert candidates["ad_ids"].list.len().unique().to_list() == [10]
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        assert {"dagster/row_count", "dagster/column_schema", "preview"} <= set(metadata)


def test_running_again_changes_nothing(filled: Lake) -> None:
    tables = ("ad_catalog", "rejected_ads", "user_profiles", "user_queries", "rejected_queries", "ad_candidates")
    before = {table: filled.data_version(table) for table in tables}
    run(filled, SMALL)
    assert {table: filled.data_version(table) for table in tables} == before


def test_every_state_of_an_ad_is_remembered(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    overrides = {"catalog.source": str(path)}
    for content in ("a0,Old,b\na1,Gone,b\n", "a0,New,b\n", "a0,New,b\n", "a0,Old,b\n"):
        path.write_text("ad_id,title,category\n" + content, encoding="utf-8")
        assert run(lake, overrides, [market.ad_catalog]).success
    known = lake.read("known_ads")
    assert known.select("ad_id", "title").rows() == [("a0", "New"), ("a0", "Old"), ("a1", "Gone")]
    first, last = known["first_seen"].to_list(), known["last_seen"].to_list()
    assert first[1] == first[2] < first[0] < last[0] < last[1]
    assert last[2] == first[2]


def test_a_market_from_files_keeps_what_it_rejects(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text(
        "nr,name\n" + "".join(f"{n},Oak Table {n}\n" for n in range(12)) + "x,Bad @ title\n"
    )
    (tmp_path / "queries.csv").write_text("query_id,text\n" + "".join(f"{n},oak table\n" for n in range(5)) + "9,\n")
    (tmp_path / "labels.csv").write_text("query_id,ad_id,label\n0,3,1\n")
    result = run(
        lake,
        {
            "catalog.source": str(tmp_path / "ads.csv"),
            "catalog.columns": json.dumps({"ad_id": "nr", "title": "name"}),
            "population.queries_source": str(tmp_path / "queries.csv"),
            "candidates.relevance_labels": str(tmp_path / "labels.csv"),
        },
    )
    assert result.success
    assert lake.read("rejected_ads").select("row", "ad_id", "field").rows() == [(14, "x", "title")]
    assert lake.read("rejected_queries").select("row", "query_id", "field").rows() == [(7, "9", "text")]
    (candidates,) = result.asset_materializations_for_node("ad_candidates")
    assert candidates.metadata["labelled_queries"].value == 1
    assert 0.0 <= candidates.metadata["recall_at_10"].value <= 1.0


def test_too_many_rejected_ads_fail_but_are_kept_and_the_old_catalog_stays(filled: Lake, tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text("ad_id,title\n1,Oak Table\n2,\n")
    with pytest.raises(CatalogError, match=r"1 of 2 catalog rows are rejected \(title: 1\)"):
        run(filled, {"catalog.source": str(tmp_path / "ads.csv")}, [market.ad_catalog])
    assert filled.read("rejected_ads").height == 1
    assert filled.read("ad_catalog").height == 100


def test_too_many_rejected_queries_fail_but_are_kept(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "queries.csv").write_text("query_id,text\n1,boots\n2,\n")
    with pytest.raises(QueryFileError, match="1 of 2 queries are rejected"):
        run(lake, {"population.queries_source": str(tmp_path / "queries.csv")})
    assert lake.read("rejected_queries").height == 1
    assert not lake.exists("user_queries")


def change(lake: Lake, table: str, **columns: pl.Expr) -> None:
    lake.write(table, lake.read(table).with_columns(**columns))


ROW = pl.int_range(pl.len())


def test_catalog_checks_bite(filled: Lake) -> None:
    first = filled.read("ad_catalog")["ad_id"][0]
    change(filled, "ad_catalog", ad_id=pl.when(ROW == 5).then(pl.lit(first)).otherwise("ad_id"))
    result = market_checks.ad_ids_are_unique(filled)
    assert (result.passed, result.metadata["count"].value) == (False, 2)
    assert first in result.metadata["rows"].value
    change(filled, "ad_catalog", title=pl.when(ROW == 9).then(pl.lit("a]b")).otherwise("title"))
    result = market_checks.titles_are_writable(filled)
    assert (result.passed, result.metadata["count"].value) == (False, 1)


@pytest.mark.parametrize("user", ["split", "profile"])
def test_split_check_bites(filled: Lake, user: str) -> None:
    if user == "split":
        other = pl.when(pl.col("split") == "train").then(pl.lit("test")).otherwise(pl.lit("train"))
        change(filled, "user_queries", split=pl.when(ROW == 0).then(other).otherwise("split"))
    else:
        filled.write("user_profiles", filled.read("user_profiles").tail(9))
    assert not market_checks.split_shares_no_user(filled).passed


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"ad_ids": pl.col("ad_ids").list.head(0)}, "no candidates"),
        ({"ad_ids": pl.col("ad_ids").list.concat(pl.col("ad_ids").list.head(1))}, "a candidate twice"),
        ({"ad_ids": pl.col("ad_ids").list.concat(pl.lit(["nobody"]))}, "not in the catalog"),
        ({"relevance": pl.col("relevance").list.eval(pl.element() + 1.5)}, "not one value"),
        ({"relevance": pl.col("relevance").list.head(3)}, "not one value"),
        ({"query_id": pl.lit("other-") + pl.col("query_id")}, "no candidates"),
    ],
)
def test_candidate_check_bites(filled: Lake, columns: dict[str, pl.Expr], fault: str) -> None:
    change(filled, "ad_candidates", **columns)
    result = market_checks.queries_have_candidates(filled)
    assert not result.passed
    assert fault in result.metadata["rows"].value


def test_severities_and_blocking() -> None:
    specs = {spec.name: spec for check in load_asset_checks_from_modules([market_checks]) for spec in check.check_specs}
    assert {name for name, spec in specs.items() if not spec.blocking} == {"catalog_covers_categories"}


def test_uncovered_categories_are_a_warning(filled: Lake) -> None:
    change(filled, "user_queries", category=pl.lit("submarines"))
    result = market_checks.catalog_covers_categories(filled)
    assert (result.passed, result.severity) == (False, AssetCheckSeverity.WARN)
    assert "submarines" in result.metadata["rows"].value
