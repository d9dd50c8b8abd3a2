"""The ads that the catalog ever held: answers of past days name ads that have left it or have another title now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from llm_auction.market import Ad
from resources.lake import FILE, Lake, MissingPartition
from resources.storage import one_at_a_time

TABLE = "known_ads"
_KEY = ["ad_id", "title", "category", "advertiser"]


def remember_ads(lake: Lake) -> None:
    """Add the catalog's ads to `known_ads`, one row for each state of an ad, with when it was seen first and last.

    Nothing is ever taken away, also when another run does the same at the same time.

    Raises:
        MissingPartition: `ad_catalog` was never written, or `known_ads` is damaged.
        StorageError: the data directory can't be written; the earlier content stays.
    """
    # Of two that add to what both have read, the later would drop the earlier's.
    with one_at_a_time(lake.root / f".{TABLE}.lock"):
        now = datetime.now(UTC)
        seen = lake.read("ad_catalog").select(_KEY).with_columns(first_seen=pl.lit(now), last_seen=pl.lit(now))
        before = [_read(lake)] if _path(lake).exists() else []
        known = pl.concat([*before, seen]).group_by(_KEY).agg(pl.min("first_seen"), pl.max("last_seen"))
        lake.write(TABLE, known.sort("ad_id", "last_seen", "first_seen", "title"))


def ensure_known_ads(lake: Lake) -> None:
    """Bring `known_ads` up to a catalog that was written without it, by an earlier release or a run that was killed."""
    catalog = lake.read("ad_catalog").select(_KEY)
    if not lake.exists(TABLE) or not catalog.join(_read(lake), on=_KEY, how="anti", nulls_equal=True).is_empty():
        remember_ads(lake)


def known_ads(lake: Lake) -> Iterator[Ad]:
    """Every ad as it ever stood in the catalog; one whose title has changed comes once for each title."""
    titles = _read(lake).sort("last_seen").unique(["ad_id", "title"], keep="last", maintain_order=True)
    for ad_id, title, category, advertiser in titles.select(_KEY).iter_rows():
        yield Ad(ad_id, title, category, advertiser=advertiser)


def known_ads_file(lake: Lake) -> Path:
    """The Parquet file of `known_ads`, whatever its marker says; MissingPartition where there is none.

    It takes its place in one piece. Between that and its marker, or when a run is killed there, it is whole all the
    same, and without it the ads that have left the catalog would be forgotten.
    """
    path = _path(lake)
    return path if path.exists() else lake.file(TABLE)


def _path(lake: Lake) -> Path:
    return lake.path(TABLE) / FILE


def _read(lake: Lake) -> pl.DataFrame:
    path = known_ads_file(lake)
    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except pl.exceptions.ComputeError as error:
        raise MissingPartition(
            f"{TABLE} is damaged ({path}: {error}): bring the file back from a backup; without one, remove it and "
            "materialize the asset ad_catalog: ads that have left the catalog are unknown then"
        ) from error
