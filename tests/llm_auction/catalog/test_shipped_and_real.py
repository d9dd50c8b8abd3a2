"""The bundled hundred ads, and a real feed where one lies beside the project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from llm_auction.answers import parse_answer, render_insertion
from llm_auction.catalog import load_catalog
from llm_auction.profiles.schema import CatalogConfig
from llm_auction.world.topics import topics

REAL = Path(__file__).resolve().parents[3] / "../shared/data/search_ads/products.tsv"
REAL_COLUMNS = {
    "ad_id": "product_id",
    "title": "ad_title",
    "description": "ad_description",
    "advertiser": "brand",
    "category": "cluster_category",
}


def test_the_bundled_catalog_has_two_ads_in_each_topic() -> None:
    catalog = load_catalog(CatalogConfig())
    assert len(catalog.ads) == 100
    assert catalog.rejected == ()
    assert Counter(ad.category for ad in catalog.ads) == dict.fromkeys(topics(), 2)
    assert len({ad.title for ad in catalog.ads}) == len({ad.advertiser for ad in catalog.ads}) == 100
    for ad in catalog.ads:
        assert ad.ad_id.isdigit()
        assert len(ad.ad_id) == 4
        assert 3 <= len(ad.title.split()) <= 6
        assert ad.description.endswith(".")
        assert parse_answer(render_insertion(ad), catalog.ads).ad_ids == (ad.ad_id,)


@pytest.mark.skipif(not REAL.exists(), reason="the real product feed does not lie beside the project")
def test_a_real_feed_is_read_to_the_last_row() -> None:
    catalog = load_catalog(CatalogConfig(source=str(REAL), columns=REAL_COLUMNS, long_titles="shorten"))
    assert (len(catalog.ads), len(catalog.rejected)) == (1484, 2)
    # The two titles that the ad format can't carry: an "@" and a "[".
    assert [(row.row_id, row.reason[:9]) for row in catalog.rejected] == [
        ("16148", "holds '@'"),
        ("105008", "holds '['"),
    ]
    titles = {ad.ad_id: ad.title for ad in catalog.ads}
    assert titles["2337"] == 'Dodge Ram 2016 Dodge Ram RBP 4" Lift Kit'
    assert max(map(len, titles.values())) <= 80
    assert len({ad.category for ad in catalog.ads}) == 6
    assert all(ad.advertiser and ad.description for ad in catalog.ads)
