"""What the catalog ever held stays known: through a write that was cut short, and while two runs write at once."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest

from assets.known_ads import ensure_known_ads, known_ads, remember_ads
from resources.lake import FILE, MARKER, Lake, MissingPartition
from tests.click_logs import ADS, catalog_frame

IDS = [ad.ad_id for ad in ADS]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake that remembers all ads, and whose catalog holds the last one only."""
    lake = Lake(data_dir=str(tmp_path))
    lake.write("ad_catalog", catalog_frame(ADS))
    remember_ads(lake)
    lake.write("ad_catalog", catalog_frame(ADS[-1:]))
    return lake


def test_brackets_in_the_data_directory_are_no_pattern(tmp_path: Path) -> None:
    lake = Lake(data_dir=str(tmp_path / "data[1]"))
    lake.write("ad_catalog", catalog_frame(ADS))
    remember_ads(lake)
    remember_ads(lake)
    assert remembered(lake) == IDS


def remembered(lake: Lake) -> list[str]:
    return sorted({ad.ad_id for ad in known_ads(lake)})


@pytest.mark.parametrize("marker", ["of the write before", "none"])
def test_a_write_that_was_cut_short_before_its_marker_forgets_nothing(lake: Lake, marker: str) -> None:
    path = lake.path("known_ads") / MARKER
    if marker == "none":
        path.unlink()
    else:
        path.write_text(path.read_text().replace('"bytes": ', '"bytes": 1'))
    assert not lake.exists("known_ads")
    assert remembered(lake) == IDS, "another run reads while the marker is not written yet"
    ensure_known_ads(lake)
    assert lake.exists("known_ads")
    assert remembered(lake) == IDS


def test_two_runs_at_once_lose_no_ad_of_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(data_dir=str(tmp_path))
    lake.write("ad_catalog", catalog_frame(ADS[:1]))
    write = Lake.write
    others: list[threading.Thread] = []

    def slow(self: Lake, table: str, frame: pl.DataFrame) -> Path:
        """The first run has put its table together when the catalog changes and another run begins."""
        if not others:
            write(self, "ad_catalog", catalog_frame(ADS[1:]))
            others.append(threading.Thread(target=remember_ads, args=[lake]))
            others[0].start()
            others[0].join(timeout=1.0)
        return write(self, table, frame)

    monkeypatch.setattr(Lake, "write", slow)
    remember_ads(lake)
    others[0].join()
    assert remembered(lake) == IDS


def test_a_lake_without_known_ads_names_what_to_materialize(tmp_path: Path) -> None:
    with pytest.raises(MissingPartition, match="known_ads is missing"):
        list(known_ads(Lake(data_dir=str(tmp_path))))


def test_a_damaged_file_is_said_and_not_replaced(lake: Lake) -> None:
    path = lake.path("known_ads") / FILE
    path.write_bytes(path.read_bytes()[:-10])
    damaged = path.read_bytes()
    for use in (ensure_known_ads, remember_ads):
        with pytest.raises(ValueError, match=r"known_ads.*is damaged"):
            use(lake)
    assert path.read_bytes() == damaged
