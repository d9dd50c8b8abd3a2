"""Google Merchant feeds: RSS, Atom and TSV, with their field names; hostile XML is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_auction.catalog import CatalogError, load_catalog
from llm_auction.market import Ad
from llm_auction.profiles.schema import CatalogConfig

RSS = """<?xml version="1.0" encoding="{encoding}"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>
<title>A shop</title><link>https://shop.example</link>
<item><g:id>TV_1</g:id><title>Vividra TV &amp; Stand</title><description><![CDATA[Deep <b>black</b>
picture]]></description><g:brand>Vividra</g:brand>
<g:product_type>Home &gt; Electronics &gt; Televisions</g:product_type><g:product_type>Other</g:product_type>
<g:google_product_category>404</g:google_product_category>
<g:shipping><g:country>DE</g:country><g:price>5 EUR</g:price></g:shipping></item>
<item><g:id>2</g:id><g:title>Caf\u00e9 M\u00fchle</g:title><title>Ignored</title>
<g:google_product_category>Home &amp; Garden > Kitchen</g:google_product_category></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><id>tag:shop.example,2026:1</id><g:id>1</g:id><title>Oak Table</title><summary>Solid oak</summary></entry>
<entry><g:id>2</g:id><title>Bad [title]</title></entry></feed>"""
ADS = (
    Ad("TV_1", "Vividra TV & Stand", "Televisions", "Deep <b>black</b> picture", "Vividra"),
    Ad("2", "Caf\u00e9 M\u00fchle", "Kitchen"),
)


def write(path: Path, text: str, encoding: str = "utf-8") -> CatalogConfig:
    path.write_bytes(text.encode(encoding))
    return CatalogConfig(source=str(path), max_rejected_share=0.5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "utf-8-sig"])
def test_rss_items(tmp_path: Path, encoding: str) -> None:
    feed = RSS.format(encoding=encoding.removesuffix("-sig"))
    assert load_catalog(write(tmp_path / "feed.xml", feed, encoding)).ads == ADS


def test_atom_entries_and_rejected_items(tmp_path: Path) -> None:
    catalog = load_catalog(write(tmp_path / "feed.atom", ATOM))
    assert catalog.ads == (Ad("1", "Oak Table", "general", "Solid oak"),)
    assert [(row.row, row.row_id, row.field) for row in catalog.rejected] == [(2, "2", "title")]
    assert "Bad [title]" in catalog.rejected[0].raw


@pytest.mark.parametrize("header", ["id\ttitle\tproduct type\tbrand\tlink", "g:id\tTitle\tg:product_type\tbrand\tlink"])
def test_tsv_with_the_feeds_field_names(tmp_path: Path, header: str) -> None:
    config = write(tmp_path / "feed.txt", f"{header}\n7\tOak Table\tHome > Tables\tOakly\thttps://x.example\n")
    assert load_catalog(config).ads == (Ad("7", "Oak Table", "Tables", advertiser="Oakly"),)


def test_columns_can_be_mapped_in_feeds_too(tmp_path: Path) -> None:
    config = write(tmp_path / "feed.xml", RSS.format(encoding="utf-8"))
    mapped = config.model_copy(update={"columns": {"category": "g:google product category"}})
    assert [ad.category for ad in load_catalog(mapped).ads] == ["404", "Kitchen"]
    with pytest.raises(CatalogError, match=r"no column 'colour' for category.*google_product_category"):
        load_catalog(config.model_copy(update={"columns": {"category": "colour"}}))


BOMB = """<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<rss><channel><item><id>1</id><title>&b;</title></item></channel></rss>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/hostname">]>
<rss><channel><item><id>1</id><title>&f;</title></item></channel></rss>"""


@pytest.mark.parametrize("feed", [BOMB, OUTSIDE])
def test_document_types_are_refused(tmp_path: Path, feed: str) -> None:
    with pytest.raises(CatalogError, match="declares a document type"):
        load_catalog(write(tmp_path / "feed.xml", feed))


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (
            "<rss><channel><item></channel></rss>",
            r"feed\.xml is not a readable XML product feed: mismatched tag: line 1",
        ),
        ("<rss><channel>", "no element found"),
        ("<rss><channel></channel></rss>", "no ads in"),
        ('<?xml version="1.0" encoding="klingon"?><rss/>', "unknown encoding"),
    ],
)
def test_broken_feeds_say_where(tmp_path: Path, feed: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        load_catalog(write(tmp_path / "feed.xml", feed))


def test_a_feed_larger_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    items = "".join(f"<item><id>{n}</id><title>Product {n} {'x' * (n % 9)}</title></item>" for n in range(5000))
    catalog = load_catalog(write(tmp_path / "feed.xml", f"<rss><channel>{items}</channel></rss>"))
    assert [ad.ad_id for ad in catalog.ads] == [str(number) for number in range(5000)]
