"""Real logs in real Dagster runs: days are put together across midnight, late events count, and guards block."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import Definitions, ExecuteInProcessResult, asset, define_asset_job

from assets import click_log_checks
from assets.click_log import click_log
from assets.click_log_models import click_log_models
from assets.days import day_partitions
from llm_auction.profiles.schema import ClickLogConfig, ClickLogGuardsConfig, Profile
from resources.dbt import dbt_resource
from resources.dbt_project import PROJECT_DIR, dbt_executable
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.click_logs import ADS, answer, catalog_frame, click, conversion, ingest, json_lines, write_log

pytestmark = pytest.mark.slow
MIDNIGHT = datetime(2026, 1, 6, tzinfo=UTC)
EVENING = MIDNIGHT - timedelta(minutes=40)
RAN: list[str] = []


class LogProfile(ProfileResource):
    """A profile with a click log; a handful of events is no measure of what may be rejected."""

    source: str

    def get(self) -> Profile:
        return Profile(
            name="small",
            click_log=ClickLogConfig(source=self.source, max_rejected_share=0.6),
            click_log_guards=ClickLogGuardsConfig(
                min_trailing_days=1,
                min_volume_ratio=0.1,
                max_volume_ratio=3.0,
                max_excluded_share=0.6,
                max_ctr_ratio=3.0,
            ),
        )


@asset(partitions_def=day_partitions, deps=["fct_click_log_impressions", "agg_click_log_days"])
def nightly_pctr_model() -> None:
    """Stands in for the refit and all that follows."""
    RAN.append("nightly_pctr_model")


@dataclass
class Deployment:
    lake: Lake
    source: str
    log: Path

    def run(self, day: str) -> ExecuteInProcessResult:
        RAN.clear()
        definitions = Definitions(
            assets=[click_log, click_log_models, nightly_pctr_model],
            asset_checks=click_log_checks.CLICK_LOG_CHECKS,
            jobs=[define_asset_job("nightly")],
            resources={
                "lake": self.lake,
                "profile": LogProfile(source=self.source),
                "warehouse": Warehouse(data_dir=self.lake.data_dir),
                "model_store": ModelStore(data_dir=self.lake.data_dir),
                "dbt": dbt_resource(),
            },
        )
        return definitions.resolve_job_def("nightly").execute_in_process(partition_key=day, raise_on_error=False)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        return Warehouse(data_dir=self.lake.data_dir).query(sql).rows()


def failed_checks(result: ExecuteInProcessResult) -> set[tuple[str, str]]:
    return {
        (item.asset_key.to_user_string(), item.check_name)
        for item in result.get_asset_check_evaluations()
        if not item.passed
    }


# Two answers of one session before midnight, one after it; a shop that clicks its own ad; a click that nobody is fast
# enough for; what follows on later days.
FIRST = [
    answer("r0", ("a0", "a2"), MIDNIGHT - timedelta(seconds=10)),
    answer("r1", ("a0",), MIDNIGHT - timedelta(minutes=20)),
    answer("r2", ("a1",), EVENING, user_id="shop1"),
    answer("r3", ("a0",), EVENING, user_id="u3"),
    answer("r4", (), EVENING, user_id="u4", answer="Take @No ad@[Ad-a0]."),
    click("r2", "a1", EVENING + timedelta(seconds=30)),
    click("r3", "a0", EVENING + timedelta(milliseconds=100)),
    click("nobody", "a0", EVENING),
    click("r1", "a2", EVENING + timedelta(minutes=25)),
    "{bad",
]
SECOND = [
    answer("r5", ("a0",), MIDNIGHT + timedelta(minutes=5)),
    FIRST[1],  # delivered again
    click("r0", "a0", MIDNIGHT + timedelta(seconds=10)),
    click("r0", "a0", MIDNIGHT + timedelta(seconds=12), event_id="again"),
    answer("late", ("a0",), EVENING, user_id="u5"),
    conversion("r0", "a2", MIDNIGHT + timedelta(minutes=1)),  # before the click on a2 has come
]
LATER = {
    "2026-01-07": [click("r0", "a2", MIDNIGHT + timedelta(hours=47))],
    "2026-01-09": [click("r1", "a0", MIDNIGHT + timedelta(hours=80))],
    "2026-01-15": [
        conversion("r0", "a0", MIDNIGHT + timedelta(days=9), 5.25),
        conversion("r0", "a0", MIDNIGHT + timedelta(days=9, hours=1), 2.5),
        conversion("r1", "a0", MIDNIGHT + timedelta(days=9), 1.0),
    ],
}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("production")
    lake = Lake(data_dir=str(folder / "data"))
    lake.write("ad_catalog", catalog_frame())
    source = write_log(folder / "log", {"log.jsonl": json_lines(FIRST)}, "2026-01-05")
    yield Deployment(lake, source, folder / "log")


CLICKED = "select response_id, ad_id from fct_click_log_impressions where day = '2026-01-05' and clicked order by all"


def test_a_day_grows_as_late_events_come_in(deployment: Deployment) -> None:
    first = deployment.run("2026-01-05")
    assert first.success, failed_checks(first)
    assert RAN == ["nightly_pctr_model"]
    assert deployment.query(CLICKED) == [("r2", "a1"), ("r3", "a0")]

    write_log(deployment.log, {"log.jsonl": json_lines(SECOND)}, "2026-01-06")
    for day, events in LATER.items():
        write_log(deployment.log, {"log.jsonl": json_lines(events)}, day)
        ingest(deployment.lake, deployment.source, day)
    second = deployment.run("2026-01-06")
    assert second.success, failed_checks(second)
    again = deployment.run("2026-01-05")
    assert again.success, failed_checks(again)
    assert deployment.query(CLICKED) == [("r0", "a0"), ("r0", "a2"), ("r2", "a1"), ("r3", "a0")]


def test_answers_belong_to_their_own_day_once(deployment: Deployment) -> None:
    assert deployment.query("select day::varchar, response_id from fct_click_log_responses order by all") == [
        *(("2026-01-05", response) for response in ("late", "r0", "r1", "r2", "r3", "r4")),
        ("2026-01-06", "r5"),
    ]
    assert deployment.query(
        "select n_ads, clicks, revenue, conversion_value, bids, answer like '%@Title 2@[Ad-a2]%', temperature "
        "from fct_click_log_responses where response_id = 'r0'"
    ) == [(2, 2, 40.5, 12.75, [10.0, 20.0, 30.5], True, 0.7)]
    assert deployment.query(
        "select n_ads, has_format_error, revenue from fct_click_log_responses where response_id = 'r4'"
    ) == [(0, True, 0.0)]


def test_impressions_carry_what_came_of_them(deployment: Deployment) -> None:
    rows = deployment.query(
        "select response_id, ad_id, position, bid, clicked, seconds_to_click, conversions, conversion_value, "
        "exclusion_reason from fct_click_log_impressions where day = '2026-01-05' order by all"
    )
    assert rows == [
        ("late", "a0", 1, 10.0, False, None, 0, 0.0, None),
        ("r0", "a0", 1, 10.0, True, 20.0, 2, 7.75, None),
        ("r0", "a2", 2, 30.5, True, 169_210.0, 1, 5.0, None),
        ("r1", "a0", 1, 10.0, False, None, 0, 0.0, None),
        ("r2", "a1", 1, 20.0, True, 30.0, 0, 0.0, "self_click"),
        ("r3", "a0", 1, 10.0, True, 0.1, 0, 0.0, "impossible_timing"),
    ]
    assert deployment.query("select distinct hour_of_day, day_of_week from fct_click_log_impressions order by all") == [
        (0, 2),
        (23, 1),
    ]


def test_a_session_goes_on_across_midnight(deployment: Deployment) -> None:
    rows = deployment.query(
        "select response_id, session_position, seconds_since_previous_answer, session_id from fct_click_log_responses "
        "where user_id = 'u0' order by ts"
    )
    assert [row[:3] for row in rows] == [("r1", 1, None), ("r0", 2, 1190.0), ("r5", 3, 310.0)]
    assert len({row[3] for row in rows}) == 1


def test_what_fits_no_answer_is_kept_with_its_place(deployment: Deployment) -> None:
    rows = deployment.query(
        "select day::varchar, line, event_type, response_id, ad_id, rejection_reason from rejected_click_log_events "
        "order by all"
    )
    assert rows == [
        ("2026-01-05", 8, "click", "nobody", "a0", "unknown_response"),
        ("2026-01-05", 9, "click", "r1", "a2", "ad_not_inserted"),
        ("2026-01-05", 10, None, None, None, "malformed_json"),
    ]
    assert deployment.query(
        "select events_read, events_accepted, events_duplicate, events_rejected from agg_click_log_days order by day"
    ) == [(10, 7, 0, 3), (6, 4, 2, 0)]


def test_rejections_of_later_days_name_their_reasons(deployment: Deployment) -> None:
    """And models of a day without answers build: only late events were delivered on it."""
    result = deployment.run("2026-01-15")
    assert ("click_log", "great_expectations") in failed_checks(result)  # no answer was delivered
    assert RAN == []


def test_a_bad_day_is_blocked_and_then_mended(deployment: Deployment) -> None:
    bad = [answer(f"x{number}", ("a0",), MIDNIGHT + timedelta(days=1, hours=1, minutes=number)) for number in range(20)]
    for event in bad:
        event["answer"] = "Take @Title 0@[Ad-a1]."  # title and id don't match
    write_log(deployment.log, {"log.jsonl": json_lines(bad)}, "2026-01-07")
    result = deployment.run("2026-01-07")
    assert not result.success
    assert RAN == []
    assert ("fct_click_log_responses", "great_expectations") in failed_checks(result)  # format errors

    good = [answer(f"y{number}", ("a0",), MIDNIGHT + timedelta(days=1, hours=number)) for number in range(2)]
    clicks = [click("y0", ts=MIDNIGHT + timedelta(days=1, seconds=9)), *LATER["2026-01-07"]]
    write_log(deployment.log, {"log.jsonl": json_lines([*good, *clicks])}, "2026-01-07")
    mended = deployment.run("2026-01-07")
    assert mended.success, failed_checks(mended)
    assert RAN == ["nightly_pctr_model"]
    assert deployment.query("select count(*) from fct_click_log_responses where day = '2026-01-07'") == [(2,)]


def test_an_id_that_was_used_days_before_counts_once(deployment: Deployment) -> None:
    noon = MIDNIGHT + timedelta(days=2, hours=12)
    events = [
        answer("r0", ("a1",), noon, user_id="u9", event_id="another"),
        answer("z0", ("a0",), noon),
        click("r0", "a1", noon + timedelta(seconds=9)),
    ]
    write_log(deployment.log, {"log.jsonl": json_lines(events)}, "2026-01-08")
    deployment.run("2026-01-08")
    assert deployment.query("select response_id from fct_click_log_responses where day = '2026-01-08'") == [("z0",)]
    assert deployment.query("select response_id from fct_click_log_impressions where day = '2026-01-08'") == [("z0",)]
    assert deployment.query(
        "select event_type, rejection_reason from rejected_click_log_events where day = '2026-01-08' order by all"
    ) == [("answer", "duplicate_response_id"), ("click", "ad_not_inserted")]


def test_a_day_whose_ads_have_left_the_catalog_can_be_modelled_again(deployment: Deployment) -> None:
    before = deployment.query("select * from fct_click_log_impressions where day = '2026-01-05' order by all")
    deployment.lake.write("ad_catalog", catalog_frame(ADS[2:]))
    again = deployment.run("2026-01-05")
    assert again.success, failed_checks(again)
    assert deployment.query("select * from fct_click_log_impressions where day = '2026-01-05' order by all") == before


def test_unit_tests_of_the_models_hold(deployment: Deployment) -> None:
    target = ["--target-path", f"{deployment.lake.data_dir}/target", "--log-path", f"{deployment.lake.data_dir}/target"]
    folders = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), *target]
    command = [dbt_executable(), "test", "--select", "tag:production,test_type:unit", *folders]
    variables = json.dumps({"data_dir": deployment.lake.data_dir})
    done = subprocess.run([*command, "--vars", variables], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "PASS=" in done.stdout and "PASS=0" not in done.stdout
