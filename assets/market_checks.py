"""What must hold of the market before anything is sampled or trained on it."""

import polars as pl
from dagster import AssetCheckResult, AssetCheckSeverity, asset_check

from assets.frames import load_ads, load_queries
from assets.preview import preview
from llm_auction.answers import parse_answer, render_insertion
from resources.lake import Lake


@asset_check(asset="ad_catalog", blocking=True)
def ad_ids_are_unique(lake: Lake) -> AssetCheckResult:
    """No two ads share an id."""
    frame = lake.read("ad_catalog")
    return _none_of(frame.filter(pl.col("ad_id").is_duplicated()), "ads share their id with another")


@asset_check(asset="ad_catalog", blocking=True)
def titles_are_writable(lake: Lake) -> AssetCheckResult:
    """An answer that links to the ad is read back as exactly that ad."""
    ads = load_ads(lake).values()
    unreadable = [ad for ad in ads if parse_answer(f"See {render_insertion(ad)}.", [ad]).ad_ids != (ad.ad_id,)]
    frame = pl.DataFrame({"ad_id": [ad.ad_id for ad in unreadable], "title": [ad.title for ad in unreadable]})
    return _none_of(frame, "ads can't be written in the ad format")


@asset_check(asset="user_queries", additional_deps=["ad_catalog"])
def catalog_covers_categories(lake: Lake) -> AssetCheckResult:
    """Every category that queries name has an ad; a warning, for such queries can be answered without one."""
    served = lake.read("ad_catalog").select("category").unique()
    asked = lake.read("user_queries").drop_nulls("category").group_by("category").len("queries").sort("category")
    return _none_of(asked.join(served, on="category", how="anti"), "categories have no ad", AssetCheckSeverity.WARN)


@asset_check(asset="user_queries", additional_deps=["user_profiles"], blocking=True)
def split_shares_no_user(lake: Lake) -> AssetCheckResult:
    """Test users are unseen: no user asks in both splits, and each has a profile of the same split."""
    profiles = lake.read("user_profiles").select("user_id", pl.col("split").alias("profile_split"))
    users = lake.read("user_queries").select("user_id", "split").unique().join(profiles, on="user_id", how="left")
    faulty = users.filter(pl.col("user_id").is_duplicated() | pl.col("split").ne_missing(pl.col("profile_split"))).sort(
        "user_id"
    )
    return _none_of(faulty, "users are in both splits or without a profile")


@asset_check(asset="ad_candidates", additional_deps=["ad_catalog", "user_queries"], blocking=True)
def queries_have_candidates(lake: Lake) -> AssetCheckResult:
    """Every query has candidates, each once, all of the catalog, each with a relevance in [0, 1]."""
    known = set(load_ads(lake))
    rows = {row["query_id"]: row for row in lake.read("ad_candidates").iter_rows(named=True)}
    faults = []
    for query_id in load_queries(lake):
        row = rows.get(query_id)
        if row is None or not row["ad_ids"]:
            faults.append((query_id, "no candidates"))
        elif len(set(row["ad_ids"])) < len(row["ad_ids"]):
            faults.append((query_id, "a candidate twice"))
        elif not known.issuperset(row["ad_ids"]):
            faults.append((query_id, "a candidate that is not in the catalog"))
        elif len(row["relevance"]) != len(row["ad_ids"]) or not all(0.0 <= value <= 1.0 for value in row["relevance"]):
            faults.append((query_id, "relevance is not one value in [0, 1] a candidate"))
    frame = pl.DataFrame(faults, schema={"query_id": pl.String, "fault": pl.String}, orient="row")
    return _none_of(frame, "queries lack proper candidates")


def _none_of(
    faulty: pl.DataFrame, what: str, severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
) -> AssetCheckResult:
    """Passed when no row is at fault; else the rows are shown."""
    return AssetCheckResult(
        passed=faulty.is_empty(),
        severity=severity,
        description=f"{faulty.height} {what}",
        metadata={"count": faulty.height, "rows": preview(faulty, 20)},
    )
