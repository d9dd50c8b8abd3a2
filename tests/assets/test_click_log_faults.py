"""Generated logs with every kind of fault, through ingestion and dbt: nothing is lost, nothing sound is rejected."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from dagster import AssetSelection, Definitions, define_asset_job

from assets.click_log import click_log
from assets.click_log_models import click_log_models
from assets.frames import ads_to_frame
from llm_auction.profiles.schema import ClickLogConfig
from resources.dbt import dbt_resource
from resources.lake import Lake
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.generated_logs import every_fault, faults_of, rejections, small_audience, write_log

pytestmark = pytest.mark.slow
HOURS = 12  # the attribution window: short, so that two days are enough for clicks that come after it


def test_counts_in_the_warehouse_are_those_of_the_manifest(tmp_path: Path) -> None:
    log, data_dir = tmp_path / "log", str(tmp_path / "data")
    rules = ClickLogConfig(attribution_hours=HOURS)
    manifest = write_log(log, answers_per_day=400, faults=every_fault(), rules=rules, seed=21)
    lake, warehouse = Lake(data_dir=data_dir), Warehouse(data_dir=data_dir)
    lake.write("ad_catalog", ads_to_frame(small_audience().ads))
    overrides = {
        "click_log.source": f"{log}/{{date}}/*",
        "click_log.max_rejected_share": "0.5",
        "click_log.attribution_hours": str(HOURS),
    }
    definitions = Definitions(
        assets=[click_log, click_log_models],
        jobs=[
            define_asset_job("ingest", ["click_log"]),
            define_asset_job("model", AssetSelection.keys(*click_log_models.keys)),
        ],
        resources={
            "profile": ProfileResource(profile="smoke", overrides=overrides),
            "lake": lake,
            "dbt": dbt_resource(),
            "warehouse": warehouse,
        },
    )
    for job in ("ingest", "model"):
        for day in manifest["days"]:
            assert definitions.resolve_job_def(job).execute_in_process(partition_key=day).success

    rejected = "select rejection_reason, count(*) from rejected_click_log_events where day = ? group by all"
    delivered = "select events_read, events_accepted, events_duplicate, events_rejected from agg_click_log_days"
    caught = Counter[str]()
    for day, expected in manifest["days"].items():
        reasons = dict(warehouse.query(rejected, [day]).iter_rows())
        assert reasons == expected["rejected"], day
        caught.update(reasons)
        counts = warehouse.query(f"{delivered} where day = ?", [day]).row(0)
        accepted = sum(expected["accepted"].values())
        assert counts == (expected["events"], accepted, expected["duplicates"], sum(reasons.values()))
    assert rejections() - set(caught) <= {"line_too_long"}  # the rarest

    # Robots and click farms are flagged: the answers that they asked for, once they ask faster than a person can.
    responses = {record["response_id"] for record in faults_of(log) if record["fault"] in ("robot", "click_farm")}
    flagged = warehouse.query(
        "select count(*) from fct_click_log_impressions where is_excluded and list_contains(?, response_id)",
        [sorted(responses)],
    ).item()
    shown = warehouse.query(
        "select count(*) from fct_click_log_impressions where list_contains(?, response_id)", [sorted(responses)]
    ).item()
    assert shown > 0
    assert flagged == shown

    # Click spam hides among duplicates; the spammer, and so the first click too, is flagged all the same.
    spam = sorted({record["response_id"] for record in faults_of(log) if record["fault"] == "click_spam"})
    spammed = "select exclusion_reason, clicked from fct_click_log_impressions where list_contains(?, response_id)"
    rows = warehouse.query(spammed, [spam])
    assert rows["clicked"].sum() >= len(spam) > 0
    assert set(rows["exclusion_reason"]) == {"click_rate"}
    # Nobody else is: other people, and those who spam on another day.
    rest = """
        select avg(is_excluded::int) from fct_click_log_impressions
        where not list_contains(?, response_id) and (day, user_id) not in (
            select (day, user_id) from fct_click_log_impressions where list_contains(?, response_id)
        )
    """
    assert warehouse.query(rest, [sorted(responses), spam]).item() < 0.05
