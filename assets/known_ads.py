"""The ads that the catalog ever held: answers of past days name ads that have left it or have another title now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl

from llm_auction.market import Ad
from resources.lake import Lake

TABLE = "known_ads"
_KEY = ["ad_id", "title", "category", "advertiser"]


def remember_ads(lake: Lake) -> None:
    """Add the catalog's ads to `known_ads`, one row for each state of an ad, with when it was seen first and last.

    Nothing is ever taken away.

    Raises:
        MissingPartition: `ad_catalog` was never written.
    """
    now = datetime.now(UTC)
    seen = lake.read("ad_catalog").select(_KEY).with_columns(first_seen=pl.lit(now), last_seen=pl.lit(now))
    before = [lake.read(TABLE)] if lake.exists(TABLE) else []
    known = pl.concat([*before, seen]).group_by(_KEY).agg(pl.min("first_seen"), pl.max("last_seen"))
    lake.write(TABLE, known.sort("ad_id", "last_seen", "first_seen", "title"))


def ensure_known_ads(lake: Lake) -> None:
    """Bring `known_ads` up to a catalog that was written without it, by an earlier release or a run that was killed."""
    catalog = lake.read("ad_catalog").select(_KEY)
    if not lake.exists(TABLE) or not catalog.join(lake.read(TABLE), on=_KEY, how="anti", nulls_equal=True).is_empty():
        remember_ads(lake)


def known_ads(lake: Lake) -> Iterator[Ad]:
    """Every ad as it ever stood in the catalog; one whose title has changed comes once for each title."""
    titles = lake.read(TABLE).sort("last_seen").unique(["ad_id", "title"], keep="last", maintain_order=True)
    for ad_id, title, category, advertiser in titles.select(_KEY).iter_rows():
        yield Ad(ad_id, title, category, advertiser=advertiser)
