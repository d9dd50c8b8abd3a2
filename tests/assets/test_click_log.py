"""The asset `click_log`: what it shows, and what a failed or killed run leaves behind."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from dagster import AssetKey, ExecuteInProcessResult, materialize

from assets.click_log import click_log
from llm_auction.profiles.schema import ClickLogConfig, Profile
from resources.click_log import TABLES
from resources.lake import Lake, MissingPartition
from resources.profile import ProfileResource
from tests.click_logs import ADS, DAY, answer, catalog_frame, click, json_lines, write_log

PARTITION = {"day": DAY}
GOOD = [answer("r0"), click("r0"), click("r0")]


class LogProfile(ProfileResource):
    """A profile with a click log."""

    source: str

    def get(self) -> Profile:
        return Profile(name="small", click_log=ClickLogConfig(source=self.source, max_rejected_share=0.4))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(data_dir=str(tmp_path / "data"))
    lake.write("ad_catalog", catalog_frame())
    return lake


def run(lake: Lake, log: Path, lines: list[object] | None = None) -> ExecuteInProcessResult:
    """Run the day, after its one file was written anew where `lines` are given."""
    source = write_log(log, {} if lines is None else {"log.jsonl": json_lines(lines)})  # type: ignore[arg-type]
    resources = {"lake": lake, "profile": LogProfile(source=source)}
    return materialize([click_log], partition_key=DAY, resources=resources, raise_on_error=False)


def versions(lake: Lake) -> dict[str, str]:
    return {table: lake.data_version(table, PARTITION) for table in TABLES}


def test_a_run_shows_what_became_of_the_events(lake: Lake, tmp_path: Path) -> None:
    result = run(lake, tmp_path / "log", [*GOOD, "{bad"])
    [materialization] = result.asset_materializations_for_node("click_log")
    shown = {name: entry.value for name, entry in materialization.metadata.items()}
    assert materialization.asset_key == AssetKey("click_log")
    assert (shown["files"], shown["events_read"], shown["accepted"], shown["duplicates"], shown["rejected"]) == (
        1,
        4,
        2,
        1,
        1,
    )
    assert "malformed_json" in shown["reasons"]
    assert "{bad" in shown["rejections"]


def test_ads_that_left_or_changed_their_titles_are_still_found_in_past_answers(lake: Lake, tmp_path: Path) -> None:
    assert run(lake, tmp_path / "log", [answer("r0", ("a0", "a1")), answer("r1", ("a2",))]).success
    before = versions(lake)
    lake.write("ad_catalog", catalog_frame([replace(ADS[0], title="Better"), ADS[2]]))
    assert run(lake, tmp_path / "log").success
    assert versions(lake) == before
    text = "Take @Better@[Ad-a0] or @Title 0@[Ad-a0] or @Title 1@[Ad-a0]."
    assert run(lake, tmp_path / "log", [answer("r0", answer=text)]).success
    answers = lake.read("click_log_answers", PARTITION)
    # both titles are the ad's, once; the other one is not
    assert answers.select("inserted_ad_ids", "format_errors").rows() == [(["a0"], 2)]


def test_a_day_with_too_many_bad_events_stays_as_it_was(lake: Lake, tmp_path: Path) -> None:
    assert run(lake, tmp_path / "log", GOOD).success
    before = versions(lake)
    failed = run(lake, tmp_path / "log", [GOOD[0], "{bad", "{worse"])
    assert not failed.success
    after = versions(lake)
    assert after.pop("click_log_rejections") != before.pop("click_log_rejections")
    assert after == before
    assert lake.read("click_log_rejections", PARTITION)["line"].to_list() == [2, 3]
    assert run(lake, tmp_path / "log", GOOD).success
    assert lake.data_version("click_log_answers", PARTITION) == before["click_log_answers"]
    assert lake.read("click_log_rejections", PARTITION).is_empty()


@pytest.mark.parametrize("table", TABLES)
def test_a_run_that_dies_while_it_writes_leaves_the_day_incomplete(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    assert run(lake, tmp_path / "log", GOOD).success
    undisturbed = versions(lake)
    original = os.replace

    def dying(source: Path, target: Path) -> None:
        if table in Path(target).parts:
            raise KeyError("killed")
        original(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", dying)
        assert not run(lake, tmp_path / "log").success
    with pytest.raises(MissingPartition, match=r"click_log_files\[2026-01-05\] is half-written"):
        lake.read("click_log_files", PARTITION)
    assert run(lake, tmp_path / "log").success
    assert versions(lake) == undisturbed
