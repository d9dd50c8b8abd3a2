"""The dbt project on a small lake: partitions replace themselves only, rejected events are kept, unit tests hold."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from resources.dbt_project import PROJECT_DIR, dbt_executable
from resources.lake import Lake
from tests.feedback_lake import Row, small_lake, write_feedback

pytestmark = pytest.mark.slow  # half a dozen dbt commands of some seconds each

TABLES = ("stg_ad_responses", "stg_click_feedback", "int_inserted_ads", "fct_ad_impressions", "fct_responses")


@dataclass(frozen=True)
class Warehouse:
    """A lake in a temporary folder and the warehouse that dbt builds from it."""

    lake: Lake
    data_dir: Path

    def dbt(
        self, *arguments: str, arm: str | None = None, iteration: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = {"data_dir": str(self.data_dir), "arm": arm, "iteration": iteration}
        named = {name: value for name, value in variables.items() if value is not None}
        target = str(self.data_dir / "target")
        folders = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target-path", target]
        command = [dbt_executable(), *arguments, *folders, "--log-path", target, "--vars", json.dumps(named)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})

    def build(self, arm: str | None = None, iteration: str | None = None) -> None:
        only = ["--select", "tag:irpo", "--exclude-resource-type", "unit_test"]
        done = self.dbt("--quiet", "build", *only, arm=arm, iteration=iteration)
        assert done.returncode == 0, done.stdout

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.data_dir / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()


def spoil(answers: list[Row], clicks: list[Row]) -> None:
    """One bad event of several kinds; the answer without a time takes its click with it."""
    answers[1]["ts"] = None
    answers[5]["iteration"] = "09"
    clicks[1]["ad_id"] = "a1"
    clicks.append({**clicks[1], "event_id": "late", "response_id": "nobody", "ad_id": "a0"})


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    data_dir = tmp_path_factory.mktemp("data")
    built = Warehouse(small_lake(data_dir), data_dir)
    write_feedback(built.lake, "llm_auction", "01", change=spoil)
    write_feedback(built.lake, "oracle", "01")
    built.build("oracle", "01")
    built.build("llm_auction", "01")
    yield built


def test_a_partition_is_built_beside_the_others(warehouse: Warehouse) -> None:
    # Two answers are rejected in the one partition; the six of the other stay what they were.
    assert warehouse.rows("select arm, count(*) from fct_responses group by arm order by arm") == [
        ("llm_auction", 4),
        ("oracle", 6),
    ]
    assert warehouse.rows("select arm, response_id, conversions, conversion_value from fct_ad_conversions") == [
        ("oracle", "oracle-01-q0-1", 1, 150.0)
    ]
    assert warehouse.rows("select clicks, revenue, ctr from agg_iteration_performance where arm = 'oracle'") == [
        (4, 120, pytest.approx(2 / 3))
    ]


def test_rejected_events_are_kept_with_their_reason_and_content(warehouse: Warehouse) -> None:
    found = warehouse.rows(
        "select event_type, rejection_reason, count(*) from rejected_feedback_events group by all order by all"
    )
    assert found == [
        ("answer", "missing_ts", 1),
        ("answer", "wrong_partition", 1),
        ("click", "ad_not_inserted", 1),
        ("click", "rejected_response", 3),
        ("click", "unknown_response", 1),
        ("conversion", "rejected_response", 1),
    ]
    query = "select event from rejected_feedback_events where rejection_reason = 'wrong_partition'"
    [(event,)] = warehouse.rows(query)
    assert json.loads(str(event))["event_iteration"] == "09"


def test_every_event_is_modelled_or_rejected(warehouse: Warehouse) -> None:
    [(landed, judged)] = warehouse.rows(
        "select (select count(*) from stg_click_feedback), (select count(*) from int_click_feedback_judged)"
    )
    accepted = "select count(*) from int_click_feedback_judged where rejection_reason is null"
    rejected = "select count(*) from rejected_feedback_events where event_type = 'click'"
    [(kept,)], [(refused,)] = warehouse.rows(accepted), warehouse.rows(rejected)
    assert landed == judged == int(str(kept)) + int(str(refused))


def test_unit_tests_of_the_models_hold(warehouse: Warehouse) -> None:
    done = warehouse.dbt("test", "--select", "tag:irpo,test_type:unit")
    assert done.returncode == 0, done.stdout
    assert "ERROR=0" in done.stdout
    assert "TOTAL=0" not in done.stdout


def test_a_full_refresh_of_one_partition_is_refused(warehouse: Warehouse) -> None:
    before = warehouse.rows("select count(*) from stg_ad_responses")
    done = warehouse.dbt("build", "--full-refresh", arm="oracle", iteration="01")
    assert done.returncode != 0
    assert "--full-refresh with one partition would drop all others" in done.stdout
    assert warehouse.rows("select count(*) from stg_ad_responses") == before


def test_a_rerun_replaces_its_partition_and_clears_what_was_rejected(warehouse: Warehouse) -> None:
    write_feedback(warehouse.lake, "llm_auction", "01")
    warehouse.build("llm_auction", "01")
    for table in TABLES:
        assert warehouse.rows(f"select arm, count(*) from {table} group by arm order by arm") == [
            ("llm_auction", 6),
            ("oracle", 6),
        ]
    assert warehouse.rows("select * from rejected_feedback_events") == []
    # Again, without any change: nothing doubles.
    content = warehouse.rows("select * from fct_ad_impressions order by all")
    warehouse.build("llm_auction", "01")
    assert warehouse.rows("select * from fct_ad_impressions order by all") == content


def test_without_a_partition_every_completed_one_is_built(warehouse: Warehouse) -> None:
    write_feedback(warehouse.lake, "oracle", "02")
    write_feedback(warehouse.lake, "oracle", "03")
    for table in ("ad_responses", "click_feedback", "conversion_feedback"):
        folder = warehouse.lake.path(table, {"arm": "oracle", "iteration": "03"})
        (folder / "_SUCCESS").unlink()
    (warehouse.data_dir / "warehouse.duckdb").unlink()
    warehouse.build()
    found = warehouse.rows("select distinct arm, iteration from fct_responses order by all")
    assert found == [("llm_auction", "01"), ("oracle", "01"), ("oracle", "02")]
