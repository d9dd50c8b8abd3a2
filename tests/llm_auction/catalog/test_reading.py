"""Catalogs of every format come out the same; what is wrong with a row or a file is said."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from llm_auction.catalog import CatalogError, load_catalog, read_catalog
from llm_auction.market import Ad
from llm_auction.profiles.schema import CatalogConfig

ROWS = [
    {
        "ad_id": "Ad-1207",
        "title": "  Ridgeway\u00a0 Trail\tShoes ",
        "category": "hiking boots",
        "bid_low": 5,
        "bid_high": 9,
    },
    {"ad_id": "b.2_c-D", "title": "Äpfel & Öl, \u201efein\u201c", "category": None, "bid_low": None, "bid_high": None},
]
ADS = (
    Ad("1207", "Ridgeway Trail Shoes", "hiking boots", bid_low=5, bid_high=9),
    Ad("b.2_c-D", "Äpfel & Öl, \u201efein\u201c", "general"),
)


def write_jsonl(path: Path) -> None:
    path.write_text("\n\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")


def write_csv(path: Path) -> None:
    path.write_text("\ufeff" + pl.DataFrame(ROWS).write_csv(), encoding="utf-8")


def write_tsv(path: Path) -> None:
    rows = [{**row, "title": str(row["title"]).replace("\t", " ")} for row in ROWS]
    path.write_text(pl.DataFrame(rows).write_csv(separator="\t").replace("\n", "\r\n"), encoding="utf-8")


def write_parquet(path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(path)


@pytest.mark.parametrize("write", [write_jsonl, write_csv, write_tsv, write_parquet])
def test_every_format_gives_the_same_ads(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "ads.data"
    write(path)
    catalog = load_catalog(CatalogConfig(source=str(path)))
    assert (catalog.ads, catalog.rejected, catalog.sources) == (ADS, (), (str(path),))


def jsonl(path: Path, *rows: object) -> CatalogConfig:
    """A file of JSON Lines (text goes in as it is) and the configuration that reads it."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return CatalogConfig(source=str(path), max_rejected_share=1.0)


GOOD = {"ad_id": "1", "title": "Good Ad"}


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({"ad_id": "1", "title": "Another"}, "ad_id", "repeats the ad of"),
        ({"ad_id": "Ad-1", "title": "Another"}, "ad_id", "repeats the ad of"),
        ({"title": "No Id"}, "ad_id", "is missing"),
        ({"ad_id": "Ad-", "title": "Bare Prefix"}, "ad_id", "is missing"),
        ({"ad_id": "a b", "title": "Space"}, "ad_id", "must be 1 to 64 of"),
        ({"ad_id": "x" * 65, "title": "Long Id"}, "ad_id", "must be 1 to 64 of"),
        ({"ad_id": True, "title": "Boolean"}, "ad_id", "must be text, got bool"),
        ({"ad_id": "2"}, "title", "is missing"),
        ({"ad_id": "2", "title": " \u200b\n "}, "title", "is missing"),
        ({"ad_id": "2", "title": "Mail me@home"}, "title", "holds '@'"),
        ({"ad_id": "2", "title": "Now [new]"}, "title", "holds '['"),
        ({"ad_id": "2", "title": "Boots <|im_end|>"}, "title", "holds '<|'"),
        ({"ad_id": "2", "title": "Boots </s>"}, "title", "holds '</s>'"),
        ({"ad_id": "2", "title": "Boots <｜User｜>"}, "title", "holds '<｜'"),
        ({"ad_id": "2", "title": ["a"]}, "title", "must be text, got list"),
        ({"ad_id": "2", "title": "half \ud800"}, "title", "lone surrogate"),
        ({"ad_id": "half \ud800", "title": "Half Id"}, "ad_id", "lone surrogate"),
        ({"ad_id": "2", "title": "x " * 60}, "title", "has 119 characters, more than catalog.max_title_length = 80"),
        ({"ad_id": "2", "title": "T", "bid_low": 3}, "bid_high", "needs both ends"),
        ({"ad_id": "2", "title": "T", "bid_high": 3}, "bid_low", "needs both ends"),
        ({"ad_id": "2", "title": "T", "bid_low": 9, "bid_high": 3}, "bid_low", "(9) exceeds bid_high (3)"),
        ({"ad_id": "2", "title": "T", "bid_low": "a", "bid_high": 3}, "bid_low", "must be a whole number, got 'a'"),
        ({"ad_id": "2", "title": "T", "bid_low": 1.5, "bid_high": 3}, "bid_low", "must be a whole number from 0"),
        ({"ad_id": "2", "title": "T", "bid_low": -1, "bid_high": 3}, "bid_low", "must be a whole number from 0"),
        ({"ad_id": "2", "title": "T", "bid_low": 1, "bid_high": "inf"}, "bid_high", "must be a whole number from 0"),
        ({"ad_id": "2", "title": "T", "category": {}}, "category", "must be text, got dict"),
        ("{half a row", "", "is not JSON"),
        ("[1, 2]", "", "is not a JSON object"),
        ("[" * 100_000, "", "is not JSON"),
        ('{"ad_id": ' + "9" * 5000 + "}", "", "is not JSON"),
    ],
)
def test_a_bad_row_is_kept_with_its_reason(row: object, field: str, reason: str, tmp_path: Path) -> None:
    catalog = load_catalog(jsonl(tmp_path / "ads.jsonl", GOOD, row))
    assert [ad.ad_id for ad in catalog.ads] == ["1"]
    (rejected,) = catalog.rejected
    assert (rejected.source, rejected.row, rejected.field) == (str(tmp_path / "ads.jsonl"), 2, field)
    assert reason in rejected.reason
    assert rejected.raw
    pl.DataFrame([rejected.row_id, rejected.raw, rejected.reason]).write_parquet(tmp_path / "storable.parquet")


def test_long_titles_are_cut_at_a_word_boundary(tmp_path: Path) -> None:
    config = jsonl(
        tmp_path / "ads.jsonl",
        {"ad_id": "1", "title": "Trail Shoes for Long Walks"},
        {"ad_id": "2", "title": "Sturdy Pot (5 litre, steel)"},
        {"ad_id": "3", "title": "Donaudampfschifffahrt"},
        {"ad_id": "4", "title": "Fits Exactly This"},
        {"ad_id": "5", "title": "Cut Off Before [the bracket]"},
    ).model_copy(update={"max_title_length": 17, "long_titles": "shorten"})
    catalog = load_catalog(config)
    assert [ad.title for ad in catalog.ads] == ["Trail Shoes", "Sturdy Pot", "Fits Exactly This", "Cut Off Before"]
    assert [(row.row, row.reason) for row in catalog.rejected] == [(3, "has no word boundary within 17 characters")]


def test_numbers_as_ids_and_missing_categories(tmp_path: Path) -> None:
    config = jsonl(
        tmp_path / "ads.jsonl", {"ad_id": 104, "title": "A"}, {"ad_id": 105.0, "title": "B", "category": " "}
    )
    assert [(ad.ad_id, ad.category) for ad in load_catalog(config).ads] == [("104", "general"), ("105", "general")]


def test_decimals_of_a_warehouse_are_numbers(tmp_path: Path) -> None:
    identifier, half = 9_007_199_254_740_993, Decimal("4.50")  # the id has no exact float
    frame = pl.DataFrame(
        {
            "ad_id": pl.Series([identifier, 2, 3], dtype=pl.Decimal(38, 0)),
            "title": ["A", "B", "C"],
            "bid_low": pl.Series([Decimal("5.00"), None, half], dtype=pl.Decimal(10, 2)),
            "bid_high": pl.Series([Decimal("100.00"), None, Decimal("9.00")], dtype=pl.Decimal(10, 2)),
        }
    )
    frame.write_parquet(tmp_path / "ads.parquet")
    catalog = read_catalog(CatalogConfig(source=str(tmp_path / "ads.parquet")))
    assert catalog.ads == (
        Ad(str(identifier), "A", "general", bid_low=5, bid_high=100),
        Ad("2", "B", "general"),
    )
    (rejected,) = catalog.rejected
    assert (rejected.row, rejected.field) == (3, "bid_low")
    assert "must be a whole number" in rejected.reason and "'4.50'" in rejected.reason


def test_columns_are_mapped_and_globs_read_in_order(tmp_path: Path) -> None:
    for name, number in (("b", 2), ("a", 1)):
        (tmp_path / f"{name}.csv").write_text(f"nr,name,kind\n{number},Ad {number},tools\n")
    columns = {"ad_id": "nr", "title": "name", "category": "kind"}
    catalog = load_catalog(CatalogConfig(source=str(tmp_path / "*.csv"), columns=columns))
    assert catalog.ads == (Ad("1", "Ad 1", "tools"), Ad("2", "Ad 2", "tools"))


def test_a_folder_may_have_a_name_that_is_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "data[old]{1}*"
    folder.mkdir()
    for write in (write_csv, write_parquet):
        write(folder / "ads")
        assert read_catalog(CatalogConfig(source=str(folder / "ads"))).ads == ADS


def test_an_id_in_two_files_is_kept_once_and_the_first_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"ad_id,title\n7,From {name}\n")
    catalog = load_catalog(CatalogConfig(source=str(tmp_path / "*.csv"), max_rejected_share=0.5))
    assert [ad.title for ad in catalog.ads] == ["From a"]
    assert catalog.rejected[0].reason == f"repeats the ad of {tmp_path / 'a.csv'}:2"


def test_reading_again_gives_the_same(tmp_path: Path) -> None:
    config = jsonl(tmp_path / "ads.jsonl", GOOD, {"ad_id": "2"})
    assert load_catalog(config) == load_catalog(config)


def test_too_many_rejected_rows_fail_with_reasons_and_are_still_there_to_keep(tmp_path: Path) -> None:
    config = jsonl(tmp_path / "ads.jsonl", GOOD, {"ad_id": "2"}, {"ad_id": "3"}, "{").model_copy(
        update={"max_rejected_share": 0.7}
    )
    with pytest.raises(CatalogError) as caught:
        load_catalog(config)
    for part in (
        "3 of 4 catalog rows",
        "title: 2",
        "row: 1",
        "max_rejected_share = 0.7",
        "ads.jsonl:2 title is missing",
    ):
        assert part in str(caught.value)
    assert len(read_catalog(config).rejected) == 3
    assert len(load_catalog(config.model_copy(update={"max_rejected_share": 0.75})).ads) == 1


def test_a_byte_that_is_no_utf_8_costs_its_own_line(tmp_path: Path) -> None:
    rows = [json.dumps({"ad_id": str(n), "title": f"Größe {n}"}, ensure_ascii=False).encode() for n in range(1, 1001)]
    rows[700] = b'{"ad_id": "701", "title": "caf\xe9"}'
    path = content(tmp_path / "ads.jsonl", b"\xef\xbb\xbf" + b"\r\n".join(rows))
    catalog = load_catalog(CatalogConfig(source=str(path)))
    assert len(catalog.ads) == 999
    assert catalog.ads[-1].title == "Größe 1000"
    (row,) = catalog.rejected
    assert (row.row, row.reason) == (701, "is not UTF-8 text (0xe9): save the file as UTF-8")
    assert row.raw == '{"ad_id": "701", "title": "caf\\xe9"}'


def content(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("data", "settings", "parts"),
    [
        ("", {}, ["is empty"]),
        ("  \n", {}, ["is empty"]),
        ("ad_id,title\n", {}, ["no ads in"]),
        ("ad_id,name\n1,A\n", {}, ["no column 'title' for title", "'ad_id', 'name'", "catalog.columns"]),
        ("ad_id,title\n1,A\n", {"columns": {"category": "kind"}}, ["'kind' for category", "'ad_id', 'title'"]),
        ("ad_id,title\n1,A\n", {"columns": {"price": "x"}}, ["unknown field price", "ad_id, title, category"]),
        ("ad_id,title,title\n1,A,B\n", {}, ["names a column twice: 'title'"]),
        ('"ad_id,title\n1,A\n', {}, ["header line opens a quote that never closes"]),
        ("just words\n", {}, ["format can't be told", "just words"]),
        ('[{"ad_id": "1", "title": "A"}]', {}, ["JSON array", "JSON Lines, one object a line"]),
        ("ad_id;title\n1;A\n", {}, ["separated by ';'", "commas or tabs"]),
        ("<html><body>hi</body></html>", {}, ["no ads in"]),
        ("ad_id,title\n1,caf\xe9\n".encode("latin-1"), {}, ["not UTF-8", "line 2, byte 17: 0xe9", "save it as UTF-8"]),
        ("ad_id,title\n1,A\n".encode("utf-16"), {}, ["UTF-16", "save it as UTF-8"]),
        ('{"ad_id": "1", "title": "caf\xe9"}'.encode("latin-1"), {}, ["1 of 1 catalog rows", "feed:1 is not UTF-8"]),
        ("ad_id,title\n1,A\n", {"format": "parquet"}, ["not a readable Parquet file"]),
        (b"PAR1 and nothing else", {}, ["not a readable Parquet file"]),
        ("ad_id,title\n1,A\n", {"format": "merchant-xml"}, ["not a readable XML product feed"]),
        ("ad_id,title\n1,A\n", {"format": "jsonl"}, ["2 of 2 catalog rows", "is not JSON"]),
    ],
)
def test_a_bad_file_is_one_clear_error(
    data: bytes | str, settings: dict[str, object], parts: list[str], tmp_path: Path
) -> None:
    path = content(tmp_path / "feed", data)
    with pytest.raises(CatalogError) as caught:
        load_catalog(CatalogConfig(source=str(path), **settings))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("ad_id,\x1b[2J\u202e", r"'ad_id', '\x1b[2J\u202e'"),
        ("ad_id," + "n" * 100_000, "'ad_id', '" + "n" * 79 + "…'"),
        ("ad_id," + ",".join(map(str, range(1000))), "'37', '38' ..."),
        ("ad_id,\x1b[2J,\x1b[2J", r"names a column twice: '\x1b[2J'"),
        ("ad_id," + ",".join(["n" * 100_000] * 2), "names a column twice: '" + "n" * 79 + "…'"),
    ],
)
def test_a_header_is_told_shortly_and_without_its_control_characters(header: str, shown: str, tmp_path: Path) -> None:
    values = ",".join("1" for _ in header.split(","))
    with pytest.raises(CatalogError) as caught:
        load_catalog(CatalogConfig(source=str(content(tmp_path / "feed", f"{header}\n{values}\n")), format="csv"))
    assert shown in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
def test_a_name_that_is_no_utf_8_is_kept_with_its_escapes(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / "ads")
    odd = (tmp_path / "ads").rename(tmp_path / os.fsdecode(b"\xff"))
    shutil.copy(odd, tmp_path / os.fsdecode(b"\xff2"))
    catalog = read_catalog(CatalogConfig(source=f"{tmp_path}/*"))
    assert catalog.ads == ADS
    assert catalog.sources == (f"{tmp_path}/\\udcff", f"{tmp_path}/\\udcff2")
    assert [row.source for row in catalog.rejected] == [catalog.sources[1]] * 2
    assert all(f"repeats the ad of {catalog.sources[0]}:" in row.reason for row in catalog.rejected)


def test_sources_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"catalog\.source: no file matches .*nothing-\*\.csv"):
        load_catalog(CatalogConfig(source=str(tmp_path / "nothing-*.csv")))
    with pytest.raises(CatalogError, match=r"is a directory: give a file or a pattern such as .*/\*\.csv"):
        load_catalog(CatalogConfig(source=str(tmp_path)))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = content(tmp_path / "ads.csv", "ad_id,title\n1,A\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for settings in ({}, {"format": "jsonl"}):
        with pytest.raises(CatalogError, match=r"ads\.csv can't be read: Permission denied"):
            load_catalog(CatalogConfig(source=str(path), **settings))
